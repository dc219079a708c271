import type {
  HistoryClass,
  HistoryPage,
  HistoryQuery,
  Replay,
  ReplayLimits,
  ReplayStart,
  StoredReceipt,
  StoredTopic,
} from "../../../src/core/history.js";
import type { Message, Publication } from "../../../src/core/message.js";
import type { BrokerDriver, TopicSubscription } from "../../../src/core/ports.js";
import { Queue } from "../../support/queue.js";

/** Drivers that share one broker, with nothing stored. */
export interface HistoryWorld {
  /** Tests that need a single driver use the first. */
  readonly drivers: readonly [BrokerDriver, ...BrokerDriver[]];
  /** Resolves when all messages of a topic have expired by age. */
  readonly outlive: (topic: StoredTopic) => Promise<void>;
}

export type SetUpHistory = () => Promise<HistoryWorld>;

/** A part of the suite. `world` returns the drivers of the current test. */
export type HistorySuite = (world: () => HistoryWorld) => void;

export const VHOST = "/";
const OTHER_VHOST = "/other";

export const AMPLE: ReplayLimits = { messages: 10_000, bytes: 64 * 1_024 * 1_024 };

/** Creates a class with ample bounds. */
export function historyClass(name: string, bounds: Partial<HistoryClass> = {}): HistoryClass {
  return {
    name,
    messages: 1_000,
    age: 600_000,
    bytes: 16 * 1_024 * 1_024,
    topicBytes: undefined,
    storage: "memory",
    replicas: 1,
    deduplication: 120_000,
    ...bounds,
  };
}

export const CHAT = historyClass("chat");

let ids = 0;

/** Creates a message whose id no other message has. */
export function newMessage(payload: string | Uint8Array, fields: Partial<Message> = {}): Message {
  ids += 1;
  const time = 1_700_000_000_000 + ids;
  return { id: `id-${ids}`, event: "", sender: "", time, payload: Buffer.from(payload), ...fields };
}

export function textOf({ payload }: Message): string {
  return Buffer.from(payload).toString("utf8");
}

export function textsOf(messages: readonly Message[]): string[] {
  return messages.map(textOf);
}

/** Returns the texts `${prefix}1` to `${prefix}${count}`. */
export function numbered(count: number, prefix = ""): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
}

/** A subscriber of a topic, as a node has it. */
export class Listener {
  readonly heard = new Queue<Message>();
  readonly subscription: TopicSubscription;

  constructor(driver: BrokerDriver, { history, topic, vhost }: ListenedTopic) {
    this.subscription = driver.subscribe(vhost, topic, { deliver: (message) => this.heard.push(message) }, history);
  }

  get log() {
    const { log } = this.subscription;
    if (log === undefined) throw new Error("the subscription has no log");
    return log;
  }

  /** Position of the topic, which the store must have told. */
  get position(): string {
    const { position } = this.log;
    if (position === undefined) throw new Error("the log has no position");
    return position;
  }

  async next(count: number): Promise<Message[]> {
    const messages: Message[] = [];
    while (messages.length < count) messages.push(await this.heard.next());
    return messages;
  }

  async texts(count: number): Promise<string[]> {
    return textsOf(await this.next(count));
  }

  /** Reads until a message with this payload has arrived. Returns it and all before it. */
  async until(end: string): Promise<Message[]> {
    const messages: Message[] = [];
    do messages.push(await this.heard.next());
    while (messages.at(-1) === undefined || textOf(messages.at(-1) as Message) !== end);
    return messages;
  }

  async replay(start: ReplayStart, limits = AMPLE): Promise<Replay> {
    return (await this.log.prepare(start, limits)).take();
  }

  recover(position: string, limits = AMPLE): Promise<Replay> {
    return this.replay({ kind: "after", position }, limits);
  }

  rewind(limit: number, since?: number, limits = AMPLE): Promise<Replay> {
    return this.replay({ kind: "latest", limit, since }, limits);
  }
}

type ListenedTopic = Omit<StoredTopic, "history"> & { readonly history: HistoryClass | undefined };

/** Prepares classes with all drivers, for both vhosts of the suite. */
export async function prepareClasses({ drivers }: HistoryWorld, ...classes: readonly HistoryClass[]): Promise<void> {
  for (const driver of drivers) {
    for (const vhost of [VHOST, OTHER_VHOST]) {
      expect(await driver.history.prepareClasses(vhost, classes)).toEqual([]);
    }
  }
}

/** One topic with history, whose class has been prepared. */
export class TestTopic implements StoredTopic {
  readonly vhost: string;
  readonly #world: HistoryWorld;

  constructor(
    world: HistoryWorld,
    readonly topic: string,
    readonly history: HistoryClass = CHAT,
    vhost = VHOST,
  ) {
    this.#world = world;
    this.vhost = vhost;
  }

  get driver(): BrokerDriver {
    return this.#world.drivers[0];
  }

  /** The last of the drivers, which is another node where there are several. */
  get other(): BrokerDriver {
    return this.#world.drivers.at(-1) ?? this.driver;
  }

  get inOtherVhost(): TestTopic {
    return new TestTopic(this.#world, this.topic, this.history, OTHER_VHOST);
  }

  with(fields: { readonly topic?: string; readonly history?: HistoryClass }): TestTopic {
    return new TestTopic(this.#world, fields.topic ?? this.topic, fields.history ?? this.history, this.vhost);
  }

  async listen(driver = this.driver): Promise<Listener> {
    const listener = new Listener(driver, this);
    await driver.settle();
    await listener.subscription.log?.settle();
    return listener;
  }

  to(message: Message): Publication {
    const { history, topic, vhost } = this;
    return { vhost, topic, message, history };
  }

  /** Publishes one message after its admission, and returns its receipt. */
  async publish(message: Message, driver = this.driver): Promise<StoredReceipt> {
    const publication = this.to(message);
    driver.admit([publication]);
    const { stored } = await driver.publish([publication]);
    const receipt = stored.get(publication);
    if (receipt === undefined) throw new Error("the message has no receipt");
    return receipt;
  }

  /** Publishes texts one after another, and returns their positions. */
  async publishTexts(texts: readonly string[], driver = this.driver): Promise<string[]> {
    const positions: string[] = [];
    for (const text of texts) positions.push((await this.publish(newMessage(text), driver)).position);
    return positions;
  }

  read(query: Partial<HistoryQuery> = {}, driver = this.driver): Promise<HistoryPage> {
    return driver.history.read(this, { limit: 1_000, bytes: AMPLE.bytes, from: "oldest", ...query });
  }

  purge(driver = this.driver): Promise<number> {
    return driver.history.purge(this);
  }
}
