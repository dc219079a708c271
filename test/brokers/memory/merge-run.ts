import { type Arbitrary, constant, constantFrom, integer, oneof, option, record } from "fast-check";
import { MemoryDriver } from "../../../src/brokers/memory/driver.js";
import type { PreparedReplay, ReplayLimits, ReplayStart } from "../../../src/core/history.js";
import type { Message } from "../../../src/core/message.js";
import type { TopicSubscription } from "../../../src/core/ports.js";
import { historyClass, VHOST } from "../../contract/history/support.js";
import { ManualClock } from "../../support/manual-clock.js";
import { LogModel } from "./log-model.js";

const TOPICS = ["a", "b", "c"];

/** Bounds that a few steps reach. A message has about 260 bytes besides its payload. */
const SMALL = historyClass("small", { messages: 4, age: 5_000, bytes: 2_600, deduplication: 2_000 });

export type MergeStep =
  | { readonly kind: "publish"; readonly topic: string; readonly id: number; readonly size: number }
  | { readonly kind: "wait"; readonly milliseconds: number }
  | { readonly kind: "purge"; readonly topic: string }
  /** A client subscribes, and its replay is read. `from` selects one of the known positions. */
  | { readonly kind: "prepare"; readonly topic: string; readonly from: number; readonly limits: ReplayLimits }
  | {
      readonly kind: "rewind";
      readonly topic: string;
      readonly limit: number;
      readonly back: number | undefined;
      readonly limits: ReplayLimits;
    }
  /** One of the waiting clients becomes a member. */
  | { readonly kind: "take"; readonly client: number }
  | { readonly kind: "leave"; readonly client: number };

const topics = constantFrom(...TOPICS);
const allLimits = record({ messages: integer({ min: 0, max: 6 }), bytes: integer({ min: 0, max: 400 }) });
const indexes = integer({ min: 0, max: 1_000 });

export const mergeSteps: Arbitrary<MergeStep> = oneof(
  {
    weight: 8,
    arbitrary: record({
      kind: constant("publish" as const),
      topic: topics,
      id: integer({ min: 0, max: 15 }),
      size: integer({ min: 0, max: 200 }),
    }),
  },
  { weight: 2, arbitrary: record({ kind: constant("wait" as const), milliseconds: integer({ min: 1, max: 4_000 }) }) },
  { weight: 1, arbitrary: record({ kind: constant("purge" as const), topic: topics }) },
  {
    weight: 4,
    arbitrary: record({ kind: constant("prepare" as const), topic: topics, from: indexes, limits: allLimits }),
  },
  {
    weight: 2,
    arbitrary: record({
      kind: constant("rewind" as const),
      topic: topics,
      limit: integer({ min: 0, max: 6 }),
      back: option(integer({ min: 0, max: 5_000 }), { nil: undefined }),
      limits: allLimits,
    }),
  },
  { weight: 4, arbitrary: record({ kind: constant("take" as const), client: indexes }) },
  { weight: 2, arbitrary: record({ kind: constant("leave" as const), client: indexes }) },
);

/** A client whose replay has been read, and that receives live messages once it is taken. */
interface Waiting {
  readonly topic: string;
  readonly start: ReplayStart;
  readonly limits: ReplayLimits;
  readonly subscription: TopicSubscription;
  readonly prepared: PreparedReplay;
  readonly received: string[];
  isMember: boolean;
  /** Positions that it must have received when it leaves. */
  expected: string[];
}

/** Runs the driver and the model side by side. */
export class MergeRun {
  readonly #clock = new ManualClock();
  readonly #driver = new MemoryDriver({ clock: this.#clock });
  readonly #model = new LogModel(SMALL, this.#clock);
  readonly #positions: string[] = ["unknown"];
  #clients: Waiting[] = [];

  async take(step: MergeStep): Promise<void> {
    switch (step.kind) {
      case "publish":
        return this.#publish(step.topic, String(step.id), Buffer.alloc(step.size));
      case "wait":
        this.#clock.advance(step.milliseconds);
        return;
      case "purge":
        await this.#purge(step.topic);
        return;
      case "prepare":
        return this.#prepare(
          step.topic,
          { kind: "after", position: this.#positions[step.from % this.#positions.length] ?? "" },
          step.limits,
        );
      case "rewind": {
        const since = step.back === undefined ? undefined : this.#clock.now() - step.back;
        return this.#prepare(step.topic, { kind: "latest", limit: step.limit, since }, step.limits);
      }
      case "take":
        this.#begin(step.client);
        return;
      case "leave":
        this.#leave(step.client);
    }
  }

  /** Compares what the members have received, and that nothing stays in memory. */
  async end(): Promise<void> {
    for (const topic of TOPICS) {
      const { messages } = await this.#driver.history.read({ vhost: VHOST, topic, history: SMALL }, EVERYTHING);
      expectEqual(
        messages.map(({ position }) => position),
        this.#model.list(topic).map(({ position }) => position),
      );
    }
    while (this.#clients.length > 0) this.#leave(0);
    this.#clock.advance(SMALL.age + 2_000);
    expectEqual(this.#driver.history.counts.held, { messages: 0, bytes: 0 });
  }

  async #publish(topic: string, id: string, payload: Uint8Array): Promise<void> {
    const message = { id, event: "", sender: "", time: this.#clock.now(), payload };
    const publication = { vhost: VHOST, topic, message, history: SMALL };
    const members = this.#clients.filter((client) => client.topic === topic && client.isMember);
    const { stored } = await this.#driver.publish([publication]);
    const receipt = stored.get(publication);
    const position = receipt?.position ?? "";
    expectEqual(receipt, this.#model.publish(topic, message, position));
    if (receipt?.duplicate === false) for (const member of members) member.expected.push(position);
    this.#positions.push(position);
  }

  async #purge(topic: string): Promise<void> {
    const count = await this.#driver.history.purge({ vhost: VHOST, topic, history: SMALL });
    expectEqual(count, this.#model.purge(topic));
  }

  async #prepare(topic: string, start: ReplayStart, limits: ReplayLimits): Promise<void> {
    const received: string[] = [];
    const deliver = ({ position = "" }: Message): void => {
      if (client.isMember) received.push(position);
    };
    const subscription = this.#driver.subscribe(VHOST, topic, { deliver }, SMALL);
    await this.#driver.settle();
    this.#know(topic, subscription.log?.position);
    const prepared = await subscription.log?.prepare(start, limits);
    if (prepared === undefined) throw new Error("no log");
    const client: Waiting = { topic, start, limits, subscription, prepared, received, isMember: false, expected: [] };
    this.#clients.push(client);
  }

  #begin(index: number): void {
    const client = this.#clients[index % this.#clients.length];
    if (client === undefined || client.isMember) return;
    const { failure, messages, position } = client.prepared.take();
    client.isMember = true;
    const expected = this.#model.replay(client.topic, client.start, client.limits);
    expectEqual({ failure, positions: messages.map((message) => message.position) }, expected);
    expectEqual(position, client.subscription.log?.position);
    for (const message of messages) client.received.push(message.position);
    client.expected = [...expected.positions];
    this.#know(client.topic, position);
  }

  #leave(index: number): void {
    const [client] = this.#clients.splice(index % Math.max(1, this.#clients.length), 1);
    if (client === undefined) return;
    expectEqual(client.received, client.expected);
    client.subscription.close();
  }

  /** Remembers a position for later recoveries. */
  #know(topic: string, position: string | undefined): void {
    if (position === undefined) throw new Error("no position");
    this.#model.know(topic, position);
    this.#positions.push(position);
  }
}

const EVERYTHING = { limit: 1_000, bytes: 1_000_000, from: "oldest" } as const;

function expectEqual(actual: unknown, expected: unknown): void {
  expect(actual).toEqual(expected);
}
