import { consumerOpts, type JetStreamSubscription, type JsMsg } from "nats";
import { pause } from "../../support/pause.js";
import type { NatsCluster } from "./nats-cluster.js";

/** Longest wait for messages that the stream has, in milliseconds. */
const PATIENCE = 30_000;

/**
 * Messages of a history class in the order of its stream, by topic. They are read from NATS by a consumer, not through the
 * nodes under test. Messages that the stream removes later stay in it.
 */
export class StoredLog {
  readonly className: string;
  /** Messages that the stream has more than once. */
  readonly repeated: string[] = [];
  readonly #cluster: NatsCluster;
  readonly #topics = new Map<string, string[]>();
  readonly #seen = new Set<string>();
  #subscription: JetStreamSubscription | undefined;
  #last = 0;

  constructor(cluster: NatsCluster, className: string) {
    this.#cluster = cluster;
    this.className = className;
  }

  /** Stored messages of a topic, oldest first. */
  of(topic: string): readonly string[] {
    return this.#topics.get(topic) ?? [];
  }

  /** Reads from now on, so that messages that are removed soon are seen. */
  async follow(): Promise<void> {
    this.#subscription = await this.#cluster.eventually(() => this.#subscribe(), `${this.className} cannot be read`);
  }

  async #subscribe(): Promise<JetStreamSubscription> {
    const info = await this.#cluster.stream(this.className);
    const [subject = ""] = info?.config.subjects ?? [];
    const options = consumerOpts();
    options.orderedConsumer();
    options.startSequence(this.#last + 1);
    options.callback((_error, message) => {
      if (message !== null) this.#add(message);
    });
    return (await this.#cluster.connection()).jetstream().subscribe(subject, options);
  }

  /** Resolves when everything that the stream has now has been read. @throws Error when that takes too long */
  async caughtUp(): Promise<void> {
    if (this.#subscription === undefined) await this.follow();
    const end = performance.now() + PATIENCE;
    const last = await this.#cluster.lastSequence(this.className);
    const isBehind = (): boolean => this.#last < last;
    while (isBehind()) {
      if (performance.now() > end) throw new Error(`${this.className}: read ${this.#last} of ${last} messages`);
      await pause(20);
    }
  }

  /** Ends reading. A stream that has lost its data is read from its beginning afterwards. */
  restart(): void {
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    this.#last = 0;
  }

  #add(message: JsMsg): void {
    this.#last = message.seq;
    const text = message.string();
    // Marks of purges and anchors of positions have no text of a publisher.
    const topic = /^([^:]+):[^:]+:\d+$/.exec(text)?.[1];
    if (topic === undefined) return;
    if (this.#seen.has(text)) {
      this.repeated.push(text);
      return;
    }
    this.#seen.add(text);
    const known = this.#topics.get(topic);
    if (known === undefined) this.#topics.set(topic, [text]);
    else known.push(text);
  }
}
