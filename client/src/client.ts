import { type CommandOptions, createCommands, type Done } from "./commands.js";
import { createEmitter } from "./emitter.js";
import { createLink } from "./link.js";
import { createSubscriptions, type Subscriptions } from "./subscriptions.js";
import { createTopic, type Topic } from "./topic.js";
import type { ClientClock, ClientOptions, ConnectionState, Frame, TopicOptions } from "./types.js";

export interface ClientEvents {
  readonly state: ConnectionState;
  /** Frame of the server that is neither a message nor an answer. */
  readonly notice: Frame;
  /** Error without another listener. */
  readonly error: unknown;
}

/** Client of one server. It connects when it is first used, and stays connected until `close`. */
export interface Client {
  readonly state: ConnectionState;
  /** Default of {@link PublishOptions.offline}. */
  readonly offline: "refuse" | "queue";
  /** Connects. Subscriptions and commands do it by themselves, also after `close`. */
  connect(): void;
  /** Closes the connection. Commands without an answer fail, and iterators end. */
  close(): void;
  /** Returns an object for a topic. It subscribes when it is used. @throws TypeError for a name that is not a string */
  topic<T = unknown, S = unknown>(name: string, options?: TopicOptions<T, S>): Topic<T, S>;
  /** @returns a function that removes the listener */
  on<K extends keyof ClientEvents>(event: K, listener: (value: ClientEvents[K]) => void): () => void;
  /**
   * Sends a command of the native protocol, and resolves to its answer.
   * @throws ClientError if it is refused, not answered in time, or the connection is lost
   */
  request(command: object, options?: CommandOptions): Promise<Frame>;
  /** As {@link request}, with a callback in the turn of the answer, before any frame that follows it. */
  send(command: object, options: CommandOptions, done: Done): void;
  /** Reports an error that has no listener of its own: to listeners of `error`, else on the console. */
  readonly report: (error: unknown) => void;
  /** Runs a function after a number of milliseconds. @returns a function that cancels it */
  after(milliseconds: number, run: () => void): () => void;
  /** Runs a function after a random delay, whose longest doubles with each failure from 1 s to 30 s. */
  backOff(failures: number, run: () => void): () => void;
  /** Subscribed topics, for other entries of this package. */
  readonly subscriptions: Subscriptions;
}

const systemClock: ClientClock = {
  now: () => Date.now(),
  after(milliseconds, run) {
    // A timer that is too long for the platform would run at once.
    const timer = milliseconds < 2 ** 31 ? setTimeout(run, milliseconds) : undefined;
    return () => clearTimeout(timer);
  },
};

/**
 * Creates a client.
 * @param url - `wss://…`, `https://…`, or in a page a path such as `/ws`
 * @throws TypeError for an invalid URL. Another scheme stops the client when it connects.
 */
export function createClient(url: string | URL, options: ClientOptions = {}): Client {
  const { broker, clock = systemClock, offline = "refuse", random = Math.random } = options;
  const { queueLimit = 1 << 20, timeout = 10_000 } = options;
  const target = new URL(url, globalThis.location?.href);
  target.protocol = target.protocol.replace("http", "ws");
  target.searchParams.set("meta", "1");

  const report = (error: unknown): void => {
    if (!events.emit("error", error)) console.error(error);
  };
  const events = createEmitter<ClientEvents>(console.error);
  const after: ClientClock["after"] = (milliseconds, run) => clock.after(milliseconds, run);

  const link = createLink(target.href, options, clock, random, {
    opened() {
      subscriptions.connected();
      commands.flush();
    },
    received(text) {
      const frame = JSON.parse(text) as Frame;
      const { id, missed = 0, topic } = frame;
      const topics = frame.payload as string[];
      if (/^[^@#]/.test(topic)) return subscriptions.receive(frame);
      if (id) return commands.receive(frame);
      if (topic === "@leave") subscriptions.left(topics);
      if (topic === "@join") subscriptions.retry(topics);
      if (topic === "#lagged") subscriptions.lagged(topics, missed);
      events.emit("notice", frame);
    },
    lost(error, level) {
      subscriptions.lost(level > 2 && error);
      commands.lost(error, level);
    },
    changed: (state) => events.emit("state", state),
    async authenticate(payload) {
      await client.request({ command: "authenticate", payload });
      subscriptions.retry();
    },
  });
  const commands = createCommands({
    after,
    isConnected: () => link.state.status === "connected",
    queueLimit,
    send: link.send,
    timeout,
  });

  const client: Omit<Client, "subscriptions"> & { subscriptions?: Subscriptions } = {
    get state() {
      return link.state;
    },
    offline,
    connect: link.start,
    close: () => link.stop(),
    topic(name, settings = {}) {
      if (typeof name !== "string") throw new TypeError("the topic is not text");
      return createTopic(client as Client, name, settings);
    },
    on: events.on,
    request: (command, settings = {}) =>
      new Promise((resolve, reject) => {
        client.send(command, settings, (error, answer) => (error ? reject(error) : resolve(answer)));
      }),
    send(command, settings, done) {
      link.start();
      commands.send({ broker, ...command }, settings, done);
    },
    report,
    after,
    backOff: (failures, run) => after(random() * Math.min(30_000, 1_000 * 2 ** failures), run),
  };
  const subscriptions = (client.subscriptions = createSubscriptions(client as Client));
  return client as Client;
}
