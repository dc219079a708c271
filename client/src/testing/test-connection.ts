import { ClientError } from "../errors.js";
import type { Frame, JoinReason } from "../types.js";
import { checkLabel, checkTopicName } from "./names.js";
import type { TestServerState } from "./test-server.js";
import type { TestSocket } from "./test-socket.js";

interface Membership {
  hidden: boolean;
  presence: boolean;
}

interface Command {
  readonly command: string;
  readonly id?: string | number;
  readonly topics?: readonly string[];
  readonly payload?: unknown;
  readonly event?: string;
  readonly message_id?: string;
  readonly trigger?: string;
  readonly hidden?: boolean;
  readonly presence?: boolean;
  readonly recover?: Readonly<Record<string, string>>;
}

/** A client's connection: executes its commands. */
export class TestConnection {
  readonly #state: TestServerState;
  readonly #socket: TestSocket;
  readonly #id: string;
  readonly #topics = new Map<string, Membership>();
  #user: string;

  constructor(state: TestServerState, socket: TestSocket, user: string) {
    this.#state = state;
    this.#socket = socket;
    this.#user = user;
    this.#id = state.nextId();
  }

  get member() {
    return { connection: this.#id, user: this.#user, info: {} };
  }

  isVisibleIn(topic: string): boolean {
    return this.#topics.get(topic)?.hidden === false;
  }

  watches(topic: string): boolean {
    return this.#topics.get(topic)?.presence === true;
  }

  send(frame: Frame): void {
    this.#socket.deliver(JSON.stringify(frame));
  }

  /** Sends a message if the client is in its topic, or is named by it. */
  message(frame: Frame): void {
    const { topic } = frame;
    const isPersonal = topic === `$connection.${this.#id}` || (this.#user !== "" && topic === `$user.${this.#user}`);
    if (isPersonal || this.#topics.has(topic)) this.send(frame);
  }

  drop(topic: string, missed: number): void {
    if (this.#topics.has(topic)) this.send({ topic: "#lagged", payload: [topic], missed });
  }

  /** Removes the client from a topic. */
  kick(topic: string): void {
    if (this.#topics.has(topic)) this.send({ topic: "@leave", payload: [topic] });
    this.#leave(topic);
  }

  closed(): void {
    for (const topic of this.#topics.keys()) this.#leave(topic);
  }

  receive(text: string): void {
    const command = JSON.parse(text) as Command;
    this.#state.received.push({ ...command });
    const { id, topics = [] } = command;
    const answer = { ...(id !== undefined && { id }) };
    const refuse = (cause: unknown): void => {
      const { code = "internal", message } = cause as Partial<ClientError> & Error;
      this.send({ topic: `#${command.command}`, payload: topics, ...answer, error: { code, message } });
    };
    try {
      if (command.command === "call") this.#call(command, answer, refuse);
      else this.send({ topic: `@${command.command}`, payload: topics, ...answer, ...this.#execute(command) });
      if (command.command === "join") this.#afterJoin(command);
    } catch (cause) {
      refuse(cause);
    }
  }

  #execute(command: Command): object {
    switch (command.command) {
      case "join":
        return this.#join(command);
      case "leave":
        for (const topic of namesOf(command)) this.#leave(topic);
        return {};
      case "publish":
        return this.#publish(command);
      case "presence":
        return this.#presence(command);
      case "history":
        return this.#history(command);
      case "authenticate":
        return this.#authenticate(command);
      case "ping":
        return { topic: "@pong" };
      default:
        throw new ClientError("invalid_argument", "unknown command");
    }
  }

  /** Messages to send after the answer to a join. */
  #replay: readonly Frame[] = [];

  #join(command: Command): object {
    const names = namesOf(command);
    const { presence, recover = {} } = command;
    for (const topic of names) {
      this.#check("join", topic);
      if (topic in recover && this.#topics.has(topic)) {
        throw new ClientError("already_exists", `recover: already in "${topic}"`);
      }
      if (presence && !this.#state.options.presence(topic)) {
        throw new ClientError("permission_denied", `this client may not see the members of "${topic}"`);
      }
    }
    const positions: Record<string, string> = {};
    const recovered: Record<string, boolean> = {};
    const reasons: Record<string, JoinReason> = {};
    this.#replay = [];
    for (const topic of names) {
      const log = this.#state.logOf(topic);
      if (log !== undefined) positions[topic] = log.position;
      if (topic in recover) {
        const missed = log?.after(recover[topic] ?? "") ?? "unknown_position";
        recovered[topic] = typeof missed === "object";
        if (typeof missed === "object") this.#replay = [...this.#replay, ...missed];
        else reasons[topic] = missed;
      }
    }
    return {
      ...(Object.keys(positions).length > 0 && { positions }),
      ...(Object.keys(recovered).length > 0 && { positions, recovered }),
      ...(Object.keys(reasons).length > 0 && { reasons }),
    };
  }

  #afterJoin(command: Command): void {
    for (const topic of namesOf(command)) {
      const earlier = this.#topics.get(topic);
      const { hidden = earlier?.hidden ?? false, presence = earlier?.presence ?? false } = command;
      this.#topics.set(topic, { hidden, presence });
      const isNew = earlier?.hidden !== false && !hidden;
      if (isNew) this.#state.presenceChanged(topic, { joined: [this.member] }, this);
    }
    for (const frame of this.#replay) this.send(frame);
  }

  #leave(topic: string): void {
    const wasVisible = this.isVisibleIn(topic);
    this.#topics.delete(topic);
    const { connection, user } = this.member;
    if (wasVisible) this.#state.presenceChanged(topic, { left: [{ connection, user }] }, this);
  }

  #publish(command: Command): object {
    const { event = "", message_id: messageId = "", payload, trigger } = command;
    const names = namesOf(command);
    for (const topic of names) this.#check("publish", topic);
    checkLabel(event);
    checkLabel(messageId);
    if (trigger !== undefined) this.#trigger(trigger, textOf(payload));
    const user = this.#user.replaceAll("%", "%25").replaceAll(":", "%3A");
    const id = messageId === "" ? this.#state.nextId() : `${user}:${messageId}`;
    for (const topic of names) this.#state.publish(topic, textOf(payload), id, event);
    return {};
  }

  /** Starts a task. Its outcome is not reported. */
  #trigger(event: string, payload: string): void {
    if (!this.#state.workers.has(event)) throw new ClientError("unavailable", `no worker of "${event}"`);
    this.#state.call(event, payload).catch(() => {});
  }

  #presence(command: Command): object {
    const [topic = ""] = namesOf(command);
    this.#check("join", topic);
    if (!this.#state.options.presence(topic)) {
      throw new ClientError("failed_precondition", `topic "${topic}" has no presence`);
    }
    const members = this.#state.membersOf(topic);
    const users = new Set(members.map(({ user }) => user)).size;
    return { payload: { topic, count: members.length, users, members } };
  }

  #history(command: Command): object {
    const [topic = ""] = namesOf(command);
    this.#check("join", topic);
    const log = this.#state.logOf(topic);
    if (log === undefined) throw new ClientError("failed_precondition", `topic "${topic}" has no history`);
    const page = log.page((command.payload ?? {}) as Readonly<Record<string, unknown>>);
    return { payload: { topic, ...page } };
  }

  #authenticate({ payload }: Command): object {
    let user: string;
    try {
      user = this.#state.options.authenticate(textOf(payload));
    } catch (cause) {
      throw new ClientError("unauthenticated", "the token is not valid", { cause });
    }
    if (this.#user !== "" && user !== this.#user) {
      throw new ClientError("failed_precondition", "the token is that of another user");
    }
    this.#user = user;
    return {};
  }

  #call(command: Command, answer: object, refuse: (cause: unknown) => void): void {
    const [event = ""] = namesOf(command);
    this.#state
      .call(event, textOf(command.payload))
      .then((parts) =>
        parts.forEach((payload, index) =>
          this.send({ topic: "@call", payload, ...answer, ...(index < parts.length - 1 && { more: true }) }),
        ),
      )
      .catch(refuse);
  }

  #check(action: "join" | "publish", topic: string): void {
    checkTopicName(topic);
    if (!this.#state.options.permits(action, topic, this.#user)) {
      throw new ClientError("permission_denied", `this client may not ${action} "${topic}"`);
    }
  }
}

function namesOf({ topics = [] }: Command): readonly string[] {
  if (topics.length === 0) throw new ClientError("invalid_argument", "topics: at least one is required");
  return topics;
}

function textOf(payload: unknown): string {
  return typeof payload === "string" ? payload : JSON.stringify(payload ?? "");
}
