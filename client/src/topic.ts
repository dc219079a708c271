import type { Client } from "./client.js";
import { createEmitter } from "./emitter.js";
import { ClientError } from "./errors.js";
import { createMessageIterator, type MessageIterator } from "./message-iterator.js";
import { decodePayload, encodePayload } from "./payload.js";
import type { Receiver } from "./subscriptions.js";
import type { Frame, JoinOutcome, JoinReason, Message, PublishOptions, TopicOptions } from "./types.js";

export interface TopicEvents<T, S> {
  readonly message: Message<T>;
  /** State that `getState` has loaded. The messages after it follow. */
  readonly state: S;
  /** The topic was joined, at first and after each connect. */
  readonly joined: JoinOutcome;
  /** The server has removed the client from the topic. It joins again with its next connection or token. */
  readonly left: undefined;
  /** The join was refused, the state could not be loaded, or a message could not be parsed. */
  readonly error: Error;
}

export interface IteratorOptions {
  /** Maximum number of messages that wait to be read. Beyond it the oldest are dropped and counted in `missed`. Default: 1,000. */
  readonly limit?: number;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}

/**
 * A topic with its options. It is subscribed while it has a listener for `message` or `state`, or an iterator. Several
 * objects of one topic share the subscription. Iterating the topic itself is the same as `messages()`.
 */
export interface Topic<T, S = unknown> extends AsyncIterable<Message<T>> {
  readonly name: string;
  readonly client: Client;
  /** Position in the topic's history up to which messages have arrived; undefined without history. */
  readonly position: string | undefined;
  /** @returns a function that removes the listener */
  on<K extends keyof TopicEvents<T, S>>(event: K, listener: (value: TopicEvents<T, S>[K]) => void): () => void;
  /** Messages from now on. The subscription ends with the loop. A refused join, or a client that stops, is thrown. */
  messages(options?: IteratorOptions): AsyncIterableIterator<Message<T>>;
  /**
   * Publishes a message. Resolves when the server has confirmed it.
   * @returns the id of the message, without the user's id in front
   * @throws ClientError
   */
  readonly publish: (data: T, options?: PublishOptions) => Promise<string>;
  /** Decodes a message. @param missed - messages dropped before it @throws what `parse` throws */
  decode(frame: Frame, missed?: number): Message<T>;
}

/** Creates an object for a topic. */
export function createTopic<T, S>(client: Client, name: string, options: TopicOptions<T, S>): Topic<T, S> {
  const { bufferLimit = 1_000, format, getState, parse = (data) => data as T } = options;
  const { subscriptions } = client;
  const events = createEmitter<TopicEvents<T, S>>(client.report);
  const iterators = new Set<MessageIterator<Message<T>>>();
  /** Listeners and iterators that need the subscription. */
  let users = 0;
  let unsubscribe: () => void;
  /** Frames that wait for the state; undefined while none is being loaded. */
  let buffer: Frame[] | undefined;
  /** Ids of messages that the state has, and that may arrive, too. */
  let known = new Set<string | undefined>();
  let loading = new AbortController();
  let missed = 0;

  const report = (error: unknown): void => {
    if (!events.emit("error", error as Error)) client.report(error);
  };

  const deliver = (frame: Frame): void => {
    const dropped = missed;
    missed = 0;
    try {
      const message = topic.decode(frame, dropped);
      events.emit("message", message);
      for (const iterator of iterators) iterator.push(message);
    } catch (cause) {
      report(new ClientError("invalid_argument", `message ${frame.id}: ${String(cause)}`, { cause }));
    }
  };

  const receive = (frame: Frame): void => {
    if (buffer) {
      if (buffer.push(frame) > bufferLimit) buffer = [];
    } else if (!known.delete(frame.id as string)) deliver(frame);
  };

  /** Loads the state. Messages that arrive in the meantime follow it. */
  const load = async (reason: JoinReason = "first", signal: AbortSignal, failures: number): Promise<void> => {
    if (signal.aborted) return;
    const waiting: Frame[] = (buffer = []);
    const contained = new Set<string | undefined>();
    const again = (): unknown => load(reason, signal, failures + 1);
    try {
      const state = await getState?.({ topic, position: topic.position, reason, known: contained, signal });
      if (signal.aborted) return;
      // The buffer was replaced where it had no room: a state from now on has what was dropped.
      if (buffer !== waiting) return void again();
      events.emit("state", state as S);
      buffer = undefined;
      known = contained;
      // Messages before the last known one are known, or older than the state.
      waiting.slice(waiting.findLastIndex(({ id }) => known.has(id as string)) + 1).forEach(receive);
    } catch (error) {
      if (signal.aborted) return;
      report(error);
      client.backOff(failures, again);
    }
  };

  const joined = (outcome: JoinOutcome): void => {
    // A state whose load was aborted is missing, too.
    if (getState && (!outcome.recovered || loading.signal.aborted)) {
      loading.abort();
      loading = new AbortController();
      void load((outcome as { readonly reason?: JoinReason }).reason, loading.signal, 0);
    }
    events.emit("joined", outcome);
  };

  const receiver: Receiver = {
    joined,
    receive,
    lagged(count) {
      missed += count;
    },
    left: () => events.emit("left", undefined),
    failed(error) {
      if (buffer) loading.abort();
      // Closing the client is no error.
      const thrown = (error as Partial<ClientError>).code === "cancelled" ? undefined : error;
      const isThrown = iterators.size > 0;
      for (const iterator of iterators) iterator.end(thrown);
      if (thrown && !events.emit("error", thrown) && !isThrown) client.report(thrown);
    },
  };

  /** @returns a function that ends the use; only its first call counts */
  const use = (): (() => void) => {
    let isUsed = true;
    users += 1;
    if (users === 1) {
      missed = 0;
      unsubscribe = subscriptions.add(name, receiver, options);
      client.connect();
      // Another object has joined the topic already.
      const { position, status } = subscriptions.find(name) ?? {};
      if (status === "joined") joined({ recovered: false, reason: "first", position });
    }
    return () => {
      if (!isUsed) return;
      isUsed = false;
      users -= 1;
      if (users) return;
      unsubscribe();
      loading.abort();
      buffer = undefined;
    };
  };

  const topic: Topic<T, S> = {
    name,
    client,
    get position() {
      return subscriptions.find(name)?.position;
    },
    on(event, listener) {
      const remove = events.on(event, listener);
      const release = event === "message" || event === "state" ? use() : undefined;
      return () => {
        remove();
        release?.();
      };
    },
    messages({ limit = 1_000, signal } = {}) {
      const release = use();
      const abort = (): void => iterator.end();
      const iterator = createMessageIterator<Message<T>>(limit, () => {
        iterators.delete(iterator);
        signal?.removeEventListener("abort", abort);
        release();
      });
      iterators.add(iterator);
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
      return iterator;
    },
    [Symbol.asyncIterator]: () => topic.messages(),
    async publish(data, publishing = {}) {
      const { event, id = randomId(), offline = client.offline } = publishing;
      await client.request(
        { command: "publish", topics: [name], payload: encodePayload(data, format), message_id: id, event },
        { ...publishing, offline, repeat: offline === "queue" },
      );
      return id;
    },
    decode(frame, dropped = 0) {
      const { event = "", id, position, time = 0 } = frame;
      const [data, payload] = decodePayload(frame, format);
      return {
        topic: name,
        data: parse(data),
        payload,
        id: id as string,
        event,
        time: new Date(time),
        position,
        missed: dropped,
      };
    },
  };
  return topic;
}

/** Returns 128 random bits. Pages without TLS have no `randomUUID`. */
function randomId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
