import { ClientError } from "../errors.js";
import type { Frame, WebSocketConstructor } from "../types.js";
import { TestConnection } from "./test-connection.js";
import { TestSocket } from "./test-socket.js";
import { TopicLog } from "./topic-log.js";

export interface TestServerOptions {
  /** Number of messages that a topic keeps; 0 for no history. Default: 0 for every topic. */
  readonly history?: (topic: string) => number;
  /** Whether a topic has presence. Default: every topic. */
  readonly presence?: (topic: string) => boolean;
  /** Whether a user may use a topic. Default: everybody may use every topic. */
  readonly permits?: (action: "join" | "publish", topic: string, user: string) => boolean;
  /** Returns the user of a token, or throws to refuse it. Default: the token itself. "" is an anonymous client. */
  readonly authenticate?: (token: string) => string;
}

/** Worker of a test: returns the answer, or its parts. An error that it throws is the answer. */
export type TestWorker = (payload: string) => string | readonly string[] | Promise<string | readonly string[]>;

/** Server in memory that speaks the native protocol, for tests of an application. */
export interface TestServer {
  readonly url: string;
  /** Option `webSocket` of the clients. */
  readonly webSocket: WebSocketConstructor;
  /** Frames of all clients, in order. */
  readonly received: readonly (Readonly<Record<string, unknown>> & { readonly command: string })[];
  /** Number of connections. */
  readonly connections: number;
  /** Publishes a text, or other data as JSON. */
  publish(topic: string, data: unknown, fields?: { readonly id?: string; readonly event?: string }): void;
  /** Answers calls of an event. */
  work(event: string, worker: TestWorker): void;
  /** Removes the stored messages of a topic. */
  purge(topic: string): void;
  /** Tells the clients of a topic that a number of messages were dropped. */
  drop(topic: string, missed: number): void;
  /** Removes all clients from a topic. */
  kick(topic: string): void;
  /** Ends all connections. Default: 1006, as after a lost network. */
  disconnect(code?: number, reason?: string): void;
  /** Ends all connections, and refuses new ones until `open`. */
  readonly shut: () => void;
  readonly open: () => void;
}

/** State that the connections of a server share. */
export class TestServerState {
  readonly options: Required<TestServerOptions>;
  readonly connections = new Set<TestConnection>();
  readonly workers = new Map<string, TestWorker>();
  readonly received: (Readonly<Record<string, unknown>> & { readonly command: string })[] = [];
  readonly #logs = new Map<string, TopicLog>();
  #ids = 0;

  constructor(options: TestServerOptions) {
    this.options = {
      history: () => 0,
      presence: () => true,
      permits: () => true,
      authenticate: (token) => token,
      ...options,
    };
  }

  nextId(): string {
    this.#ids += 1;
    return `test.${this.#ids}`;
  }

  /** Stored messages of a topic; undefined without history. */
  logOf(topic: string): TopicLog | undefined {
    const limit = this.options.history(topic);
    if (limit === 0) return undefined;
    const log = this.#logs.get(topic) ?? new TopicLog(limit);
    this.#logs.set(topic, log);
    return log;
  }

  publish(topic: string, payload: string, id: string, event: string): void {
    const time = new Date().toISOString();
    const frame: Frame = { topic, payload, id, ...(event !== "" && { event }), time };
    const log = this.logOf(topic);
    const sent = log === undefined ? frame : log.add(frame);
    if (sent !== undefined) for (const connection of this.connections) connection.message(sent);
  }

  /** Visible members of a topic, by connection. */
  membersOf(topic: string) {
    return [...this.connections].filter((connection) => connection.isVisibleIn(topic)).map(({ member }) => member);
  }

  /** Reports that a member has come or gone. */
  presenceChanged(topic: string, change: object, cause: TestConnection): void {
    const count = this.membersOf(topic).length;
    for (const connection of this.connections) {
      if (connection !== cause && connection.watches(topic)) {
        connection.send({ topic: "@presence", payload: { topic, count, joined: [], left: [], ...change } });
      }
    }
  }

  async call(event: string, payload: string): Promise<readonly string[]> {
    const worker = this.workers.get(event);
    if (worker === undefined) throw new ClientError("unavailable", `no worker of "${event}"`);
    const answer = await worker(payload);
    return typeof answer === "string" ? [answer] : answer;
  }
}

/** Creates a server in memory. */
export function createTestServer(options: TestServerOptions = {}): TestServer {
  const state = new TestServerState(options);
  const bySocket = new Map<TestSocket, TestConnection>();
  let isOpen = true;

  const peer = {
    opened(socket: TestSocket): void {
      const token = socket.protocols.find((each) => each.startsWith("bearer."))?.slice("bearer.".length) ?? "";
      let user: string;
      try {
        user = token === "" ? "" : state.options.authenticate(token);
      } catch {
        return socket.end(1006, "");
      }
      if (!isOpen) return socket.end(1006, "");
      const connection = new TestConnection(state, socket, user);
      bySocket.set(socket, connection);
      state.connections.add(connection);
      socket.accept();
    },
    received: (socket: TestSocket, text: string): void => bySocket.get(socket)?.receive(text),
    closed(socket: TestSocket): void {
      const connection = bySocket.get(socket);
      if (connection === undefined) return;
      bySocket.delete(socket);
      state.connections.delete(connection);
      connection.closed();
    },
  };
  const disconnect = (code = 1006, reason = ""): void => {
    for (const socket of bySocket.keys()) socket.end(code, reason);
  };

  return {
    url: "ws://test.invalid/ws",
    webSocket: class extends TestSocket {
      constructor(_url: string, protocols: string[] = []) {
        super(peer, protocols);
      }
    },
    received: state.received,
    get connections() {
      return bySocket.size;
    },
    publish(topic, data, { event = "", id = state.nextId() } = {}) {
      state.publish(topic, typeof data === "string" ? data : JSON.stringify(data), id, event);
    },
    work: (event, worker) => void state.workers.set(event, worker),
    purge: (topic) => state.logOf(topic)?.purge(),
    drop(topic, missed) {
      for (const connection of state.connections) connection.drop(topic, missed);
    },
    kick(topic) {
      for (const connection of state.connections) connection.kick(topic);
    },
    disconnect,
    shut() {
      isOpen = false;
      disconnect();
    },
    open() {
      isOpen = true;
    },
  };
}
