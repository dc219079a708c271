import { WebSocket } from "ws";
import {
  type Client,
  ClientError,
  type ClientOptions,
  createClient,
  type JoinOutcome,
  type Message,
  type Topic,
  type WebSocketConstructor,
  type WebSocketLike,
} from "../../../client/src/index.js";
import { createTestServer } from "../../../client/src/testing/index.js";
import type { ConfigInput } from "../../../src/index.js";
import { publish } from "../backends/publish.js";
import { startWorker } from "../backends/worker.js";
import { cleanUp } from "../clean-up.js";
import type { ManualClock } from "../manual-clock.js";
import { startTcpProxy } from "../net/tcp-proxy.js";
import { startUpgradeBlocker } from "../net/upgrade-blocker.js";
import { startNode, type TestNode } from "../nodes/node.js";
import { Queue } from "../queue.js";

/** A server as the client's contract needs it. */
export interface ClientWorld {
  readonly url: string;
  readonly webSocket: WebSocketConstructor;
  /** Publishes a text as a backend. */
  publish(topic: string, text: string, fields?: { readonly id?: string; readonly event?: string }): Promise<void>;
  /** Ends all connections, and refuses new ones until `open`. */
  shut(): void;
  open(): void;
  /** Stops the traffic of the current connections without closing them. */
  mute(): void;
  /** Stops the traffic from the server to the current clients. */
  loseAnswers(): void;
  /** Answers the next call of an event with these parts; the last one may be an error. */
  answerCalls(event: string, answer: (payload: string) => readonly string[] | CallFailure): Promise<void>;
}

export interface CallFailure {
  readonly code: string;
  readonly message: string;
}

export const isCallFailure = (answer: readonly string[] | CallFailure): answer is CallFailure => !Array.isArray(answer);

/** Topics with history (`room*`), with presence (`members*`), private ones (`staff`), and others. */
export const CLIENT_CONFIG = {
  vhosts: {
    "/": {
      client_publish: true,
      history: { chat: { messages: 20, age: "5m" } },
      anonymous: { permissions: { call: ["*"] } },
      topics: [
        { match: "staff", access: "private" },
        { match: "room*", history: "chat" },
        { match: "members*", presence: true },
      ],
    },
  },
} satisfies ConfigInput;

/** A node behind a proxy. */
export interface NodeWorld extends ClientWorld {
  readonly node: TestNode;
  /** Begins to refuse WebSockets of new connections, as strict networks do. */
  blockUpgrades(): Promise<void>;
}

/** Starts a node behind a proxy. */
export async function startNodeWorld(config: ConfigInput = CLIENT_CONFIG): Promise<NodeWorld> {
  const node = await startNode(config);
  const port = Number(new URL(node.http).port);
  const proxy = await startTcpProxy(port);
  return {
    node,
    async blockUpgrades() {
      proxy.route(await startUpgradeBlocker(port));
    },
    url: `ws://127.0.0.1:${proxy.port}/ws`,
    webSocket: WebSocket,
    async publish(topic, payload, fields) {
      const answer = await publish(node, [{ topics: [topic], payload, ...fields }]);
      if (answer.ok !== true) throw new Error(`not published: ${JSON.stringify(answer)}`);
    },
    shut: () => proxy.shut(),
    open: () => proxy.open(),
    mute: () => proxy.mute(),
    loseAnswers: () => proxy.loseAnswers(),
    async answerCalls(event, answer) {
      const worker = await startWorker(node, [event]);
      void (async () => {
        const task = await worker.tasks.next();
        worker.acknowledge(task);
        const parts = answer(Buffer.from(task.payload).toString());
        if (isCallFailure(parts)) return worker.fail(task, parts.code, parts.message);
        for (const [index, part] of parts.entries()) worker.answer(task, part, index < parts.length - 1);
      })();
    },
  };
}

/** Creates a client that is closed after the test. Delays are as short as possible unless `random` says otherwise. */
export function openClient(world: Pick<ClientWorld, "url" | "webSocket">, options: ClientOptions = {}): Client {
  const client = createClient(world.url, { webSocket: world.webSocket, random: () => 0, ...options });
  cleanUp(() => client.close());
  return client;
}

/** A WebSocket constructor that keeps what its sockets do. */
export function recordSockets(base: WebSocketConstructor = WebSocket) {
  const sockets: { readonly url: string; readonly protocols: readonly string[]; readonly socket: WebSocketLike }[] = [];
  const sent: string[] = [];
  const webSocket = class extends base {
    constructor(url: string, protocols: string[] = []) {
      super(url, protocols);
      sockets.push({ url, protocols, socket: this });
    }
    override send(text: string): void {
      sent.push(text);
      super.send(text);
    }
  };
  /** Number of commands that were sent. */
  const count = (command: string): number => sent.filter((text) => text.includes(`"command":"${command}"`)).length;
  return { webSocket, sockets, sent, count };
}

/** Advances the clock of a waiting client to its next attempt. */
export function advanceToAttempt({ state }: Client, clock: ManualClock): void {
  if (state.status === "waiting") clock.advance(state.nextAttempt - clock.now());
}

/** Resolves when the client has a state. */
export function reaches(client: Client, status: Client["state"]["status"]): Promise<Client["state"]> {
  return new Promise((resolve) => {
    const check = (state: Client["state"]): void => {
      if (state.status !== status) return;
      stop();
      resolve(state);
    };
    const stop = client.on("state", check);
    check(client.state);
  });
}

/** Starts a server double with the topics of {@link CLIENT_CONFIG}. */
export function startDoubleWorld(): Promise<ClientWorld> {
  const server = createTestServer({
    history: (topic) => (topic.startsWith("room") ? 20 : 0),
    presence: (topic) => topic.startsWith("members"),
    permits: (_action, topic) => topic !== "staff",
  });
  return Promise.resolve({
    url: server.url,
    webSocket: server.webSocket,
    publish: (topic, text, fields) => Promise.resolve(server.publish(topic, text, fields)),
    shut: server.shut,
    open: server.open,
    mute: withoutWire,
    loseAnswers: withoutWire,
    answerCalls(event, answer) {
      server.work(event, (payload) => {
        const parts = answer(payload);
        if (isCallFailure(parts)) throw new ClientError(parts.code, parts.message);
        return parts;
      });
      return Promise.resolve();
    },
  });
}

function withoutWire(): never {
  throw new Error("the server double has no wire");
}

/** Collects what listeners get. */
export function listenTo<T, S>(topic: Topic<T, S>) {
  const messages = new Queue<Message<T>>();
  const outcomes = new Queue<JoinOutcome>();
  const errors = new Queue<Error>();
  topic.on("joined", (outcome) => outcomes.push(outcome));
  topic.on("error", (error) => errors.push(error));
  const stop = topic.on("message", (message) => messages.push(message));
  const next = async (count = 1): Promise<T[]> => {
    const data: T[] = [];
    while (data.length < count) data.push((await messages.next()).data);
    return data;
  };
  return { messages, outcomes, errors, next, stop };
}
