import { createEmitter } from "./emitter.js";
import { ClientError } from "./errors.js";
import { readEvents, type ServerEvent } from "./event-reader.js";
import type { Frame, WebSocketLike } from "./types.js";

/** Time in which the server must answer, in milliseconds. */
const OPEN_TIMEOUT = 10_000;
/** Silence after which a stream counts as lost, in milliseconds. The server sends a comment every 25 s by default. */
const SILENCE = 60_000;

/** Time for which a stream is read beside the one that replaces it, in milliseconds, while messages of the new one wait. */
const HANDOVER = 300;

const LOST = "connection lost";
const UNIMPLEMENTED = new ClientError("unimplemented", "needs a WebSocket");

/** Refusals of a stream that concern the connection. */
const LOSSES = ["unauthenticated", "unavailable"];

/** Command of the client: a frame of the native protocol. */
interface CommandFrame {
  readonly command: string;
  readonly id?: number;
  readonly topics?: readonly string[];
  readonly payload?: unknown;
  readonly broker?: string;
  readonly auth?: string;
  readonly hidden?: boolean;
  readonly presence?: boolean;
  readonly recover?: Readonly<Record<string, string>>;
}

/** Whether a server of streams answers. It answers this request without a stream. */
export async function isReachable(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { method: "OPTIONS", signal: AbortSignal.timeout(OPEN_TIMEOUT) })).ok;
  } catch {
    return false;
  }
}

/** Topics that share a stream, because they were joined with the same options. */
interface StreamGroup {
  /** Positions of the joined topics; "" for none. */
  topics: Map<string, string>;
  /** Joins that wait for the next stream. */
  joins: CommandFrame[];
  /** Topics and ids of messages that come while the next stream is being opened, which it may send again. */
  overlap?: Set<unknown> | undefined;
  /** Ends the stream. */
  end?: () => void;
}

/**
 * Opens a connection that looks like a WebSocket with the native protocol, and receives by server-sent events. It joins, leaves,
 * recovers and reads the latest messages; other commands are refused with `unimplemented`. A join opens the stream again with
 * one more topic. What arrives in the meantime is not repeated, and not lost either, unless a topic has no history and the
 * stream before is behind by more than HANDOVER.
 * @param url - URL of the streams, with a query
 * @param protocols - `carillon` and `bearer.TOKEN`, or nothing
 * @param interval - milliseconds between two calls of `tryWebSocket`
 * @param tryWebSocket - opens a WebSocket with these subprotocols, beside the streams; they end when it opens
 */
export function createEventSocket(
  url: string,
  protocols: string[],
  interval: number,
  tryWebSocket: ((protocols: string[]) => WebSocketLike) | false,
): WebSocketLike {
  const events = createEmitter<Record<"open" | "message" | "close" | "error", object>>((error) => {
    throw error;
  });
  const ending = new AbortController();
  const groups = new Map<string, StreamGroup>();
  /** Commands from the one that is being executed. */
  const commands: CommandFrame[] = [];

  const receive = (frame: object): void => void events.emit("message", { data: JSON.stringify(frame) });
  const answer = ({ command, id, topics }: CommandFrame, fields: object = {}, sign = "@"): void =>
    receive({ topic: sign + command, payload: topics, id, ...fields });
  const refuse = (command: CommandFrame, { code, message }: ClientError): void =>
    answer(command, { error: { code, message } }, "#");
  const lose = (code = 1006, reason = LOST): void => {
    if (ending.signal.aborted) return;
    ending.abort();
    events.emit("close", { code, reason });
  };

  /**
   * Opens a stream. Resolves with its end when `onEvent` has returned true.
   * @throws ClientError for a refusal, and what `fetch` throws
   */
  const open = async (query: URLSearchParams, onEvent: (event: ServerEvent) => unknown): Promise<() => void> => {
    const streaming = new AbortController();
    const { signal } = streaming;
    const end = (): void => streaming.abort();
    ending.signal.addEventListener("abort", end, { signal });
    const timer = setTimeout(end, OPEN_TIMEOUT);
    const headers: HeadersInit = protocols[1] ? { authorization: protocols[1].replace(".", " ") } : {};
    const response = await fetch(`${url}&${query}`, { signal, headers, credentials: "include" }).finally(() =>
      clearTimeout(timer),
    );
    if (!response.ok) {
      const { code = "unavailable", message = LOST } = (await response
        .json()
        .catch(() => ({}))) as Partial<ClientError>;
      throw new ClientError(code, message);
    }
    return new Promise((resolve, reject) => {
      let watch = setTimeout(lose, SILENCE);
      const finish = (): void => {
        clearTimeout(watch);
        reject(new Error(LOST));
        if (!signal.aborted) lose();
      };
      readEvents(response.body as ReadableStream<Uint8Array>, (event) => {
        clearTimeout(watch);
        watch = setTimeout(lose, SILENCE);
        if (!signal.aborted && event && onEvent(event)) resolve(end);
      }).then(finish, finish);
    });
  };

  /** Takes an event of a group's stream. */
  const take = (group: StreamGroup, { name, data }: ServerEvent): void => {
    const { id, missed, position, topic, code, reason } = data;
    if (name === "carillon.close") lose(code, reason);
    else if (name === "carillon.lagged") receive({ topic: "#lagged", payload: [topic], missed });
    else if (topic) {
      if (position && group.topics.has(topic)) group.topics.set(topic, position);
      group.overlap?.add(`${topic} ${id}`);
      // Each stream has the messages for the user.
      if (topic[0] !== "$" || group === [...groups.values()].find(({ topics }) => topics.size)) receive(data);
    } else if (name) {
      const isLeft = name === "carillon.left";
      if (isLeft) for (const left of data as never as string[]) group.topics.delete(left);
      receive({ topic: isLeft ? "@leave" : "@join", payload: data });
    }
  };

  /** Opens the stream of a group again, with the topics of the joins that wait. */
  const reopen = async (group: StreamGroup, options: string): Promise<void> => {
    const joins = group.joins.splice(0);
    const topics = new Map(group.topics);
    const repeated = (group.overlap = new Set());
    for (const join of joins) for (const name of join.topics ?? []) topics.set(name, join.recover?.[name] ?? "");
    if (!topics.size) return;
    const query = new URLSearchParams(options);
    for (const [topic, position] of topics) {
      query.append("topic", topic);
      query.append("recover", position);
    }
    try {
      let wait = 0;
      let held: ServerEvent[] | undefined = [];
      const pass = (event: ServerEvent): unknown =>
        repeated.delete(`${event.data.topic} ${event.data.id}`) || take(group, event);
      const end = await open(query, (event) => {
        const { positions, recovered } = event.data;
        if (!positions) return held ? held.push(event) : pass(event);
        for (const [topic, recover] of topics) {
          // The stream before may have delivered more in the meantime.
          const position = group.topics.get(topic);
          const isRecovered = recovered?.[topic];
          if (position === "") wait = HANDOVER;
          // The joins of the next connection tell why.
          if (position && !isRecovered) lose();
          topics.set(topic, (isRecovered ? position || recover : positions[topic]) ?? "");
        }
        group.topics = topics;
        for (const join of joins) answer(join, event.data);
        return true;
      });
      // The stream before may still bring messages of topics that cannot be recovered.
      await new Promise((resolve) => setTimeout(resolve, wait));
      group.end?.();
      group.end = end;
      group.overlap = undefined;
      held.forEach(pass);
      held = undefined;
    } catch (error) {
      group.overlap = undefined;
      if (!(joins[0] && error instanceof ClientError) || LOSSES.includes(error.code)) throw error;
      // A stream is all or nothing, and one topic may be the cause of the refusal.
      if (!joins[1]) return refuse(joins[0], error);
      for (const join of joins) {
        group.joins.push(join);
        await reopen(group, options);
      }
    }
  };

  /** Opens streams again: all, or those for which joins wait. */
  const reopenSome = async (isAll?: boolean): Promise<void> => {
    for (const [options, group] of groups) if (isAll || group.joins[0]) await reopen(group, options);
  };

  /** Reads the latest messages by a stream of its own, which ends after the stored messages. */
  const readLatest = async (command: CommandFrame): Promise<void> => {
    const { limit = 100, ...others } = command.payload as { readonly limit?: number };
    const { broker = "", topics: [topic = ""] = [] } = command;
    const messages: Frame[] = [];
    let error = Object.keys(others)[0] ? UNIMPLEMENTED : undefined;
    try {
      const query = new URLSearchParams({ broker, hidden: "1", topic, recover: "", rewind: String(limit) });
      const end = await open(query, ({ data, name }) => {
        if (data.topic === topic) messages.push(data as Frame);
        else if (data.positions && !data.positions[topic]) {
          error ??= new ClientError(data.reasons ? "unavailable" : "failed_precondition", "no history");
        }
        return error ?? !(name || data.topic);
      });
      end();
    } catch (cause) {
      error = cause instanceof ClientError ? cause : new ClientError("unavailable", LOST);
    }
    if (error) refuse(command, error);
    else answer(command, { payload: { topic, messages, more: messages.length === limit } });
  };

  const execute = async (command: CommandFrame): Promise<void> => {
    const { auth, broker = "", hidden, payload, presence, topics = [] } = command;
    switch (command.command) {
      case "join":
        if (presence) {
          refuse(command, UNIMPLEMENTED);
        } else {
          const options = { broker, ...(auth && { auth }), ...(hidden && { hidden: "1" }) };
          const key = String(new URLSearchParams(options));
          const group: StreamGroup = groups.get(key) ?? { topics: new Map(), joins: [] };
          groups.set(key, group);
          group.joins.push(command);
        }
        // Joins of one turn share a stream.
        if (commands[1]?.command !== "join") await reopenSome();
        break;
      case "leave":
        for (const group of groups.values()) {
          for (const topic of topics) group.topics.delete(topic);
          if (!group.topics.size) group.end?.();
        }
        answer(command);
        break;
      case "history":
        void readLatest(command);
        break;
      case "ping":
        answer(command, { topic: "@pong" });
        break;
      case "authenticate":
        protocols = ["carillon", `bearer.${payload as string}`];
        await reopenSome(true);
        answer(command);
        break;
      default:
        refuse(command, UNIMPLEMENTED);
    }
  };

  const work = async (): Promise<void> => {
    try {
      for (; commands[0] && !ending.signal.aborted; commands.shift()) await execute(commands[0]);
    } catch (error) {
      const { code, message } = error as ClientError;
      lose(code === "unauthenticated" ? 4401 : 1006, message);
    }
  };

  void isReachable(url).then((isOpen) => (isOpen ? events.emit("open", {}) : lose()));
  if (tryWebSocket) {
    let tried: WebSocketLike | undefined;
    const timer = setInterval(() => {
      tried?.close();
      tried = tryWebSocket(protocols);
      tried.addEventListener("open", () => lose());
      // The close of a socket of `ws` that is not open yet is an error.
      tried.addEventListener("error", () => {});
    }, interval);
    ending.signal.addEventListener("abort", () => {
      clearInterval(timer);
      tried?.close();
    });
  }

  return {
    addEventListener: events.on,
    close: () => ending.abort(),
    send(text) {
      // Joins of one turn share a stream.
      if (commands.push(JSON.parse(text) as CommandFrame) === 1) setTimeout(work);
    },
  };
}
