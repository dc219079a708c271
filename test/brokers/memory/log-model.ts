import { computeLogSize } from "../../../src/brokers/memory/stored-log.js";
import type {
  HistoryClass,
  RecoveryFailure,
  ReplayLimits,
  ReplayStart,
  StoredReceipt,
} from "../../../src/core/history.js";
import type { Message } from "../../../src/core/message.js";
import type { Clock } from "../../../src/core/ports.js";
import { computeMessageSize } from "../../../src/history/message-ring.js";

interface ModelMessage {
  readonly topic: string;
  readonly id: string;
  readonly time: number;
  readonly size: number;
  readonly bytes: number;
  /** Number of messages and purges before it. */
  readonly number: number;
  readonly position: string;
}

/** The history of a class as docs/protocol/history.md describes it, without regard to speed. */
export class LogModel {
  readonly #history: HistoryClass;
  readonly #clock: Clock;
  /** Every message that was ever stored, and the numbers of those that are removed. */
  readonly #messages: ModelMessage[] = [];
  readonly #removed = new Set<number>();
  readonly #purges = new Map<string, number>();
  /** Topic and number of the last message before each known position. */
  readonly #positions = new Map<string, { readonly topic: string; readonly number: number }>();
  #count = 0;

  constructor(history: HistoryClass, clock: Clock) {
    this.#history = history;
    this.#clock = clock;
  }

  /** @param position - that the driver has given the message */
  publish(topic: string, message: Message, position: string): StoredReceipt {
    const { deduplication } = this.#history;
    const now = this.#clock.now();
    const first = this.#messages.findLast(
      (each) => each.topic === topic && each.id === message.id && each.time > now - deduplication,
    );
    if (first !== undefined) return { position: first.position, duplicate: true };
    this.#count += 1;
    const { id, payload, time } = message;
    const number = this.#count;
    this.#messages.push({
      topic,
      id,
      time,
      size: computeMessageSize(message),
      bytes: payload.length,
      number,
      position,
    });
    this.#positions.set(position, { topic, number });
    this.#trim(topic);
    return { position, duplicate: false };
  }

  /** @returns the number of removed messages */
  purge(topic: string): number {
    const messages = this.list(topic);
    for (const { number } of messages) this.#removed.add(number);
    this.#count += 1;
    this.#purges.set(topic, this.#count);
    return messages.length;
  }

  /** Remembers a position that the driver has just given as the current one of a topic. */
  know(topic: string, position: string): void {
    if (!this.#positions.has(position)) this.#positions.set(position, { topic, number: this.#count });
  }

  /** Messages of a topic that are stored now, oldest first. */
  list(topic: string): readonly ModelMessage[] {
    this.#expire();
    return this.#left().filter((each) => each.topic === topic);
  }

  replay(topic: string, start: ReplayStart, limits: ReplayLimits) {
    const stored = this.list(topic);
    if (start.kind === "after") return this.#recover(topic, start.position, limits);
    const { limit, since = Number.NEGATIVE_INFINITY } = start;
    let wanted = stored.filter(({ time }) => time >= since).slice(-Math.min(limit, limits.messages));
    if (Math.min(limit, limits.messages) === 0) wanted = [];
    while (sumBytes(wanted) > limits.bytes) wanted = wanted.slice(1);
    return { failure: undefined, positions: wanted.map(({ position }) => position) };
  }

  #recover(topic: string, position: string, limits: ReplayLimits) {
    const known = this.#positions.get(position);
    if (known?.topic !== topic) return fail("unknown_position");
    const later = this.#messages.filter((each) => each.topic === topic && each.number > known.number);
    const isPurged = (this.#purges.get(topic) ?? 0) > known.number;
    if (isPurged || later.some(({ number }) => this.#removed.has(number))) return fail("expired");
    if (later.length > limits.messages || sumBytes(later) > limits.bytes) return fail("too_many");
    return { failure: undefined, positions: later.map((each) => each.position) };
  }

  #trim(topic: string): void {
    this.#expire();
    const { bytes, messages } = this.#history;
    const inTopic = this.#left().filter((each) => each.topic === topic);
    for (const { number } of inTopic.slice(0, -messages)) this.#removed.add(number);
    const left = [...this.#left()];
    while (sumSizes(left) > bytes) {
      const oldest = left.shift();
      if (oldest === undefined) return;
      this.#removed.add(oldest.number);
    }
  }

  #expire(): void {
    const end = this.#clock.now() - this.#history.age;
    for (const { number, time } of this.#messages) if (time <= end) this.#removed.add(number);
  }

  #left(): readonly ModelMessage[] {
    return this.#messages.filter(({ number }) => !this.#removed.has(number));
  }
}

/** Sizes of messages and of their topics. */
function sumSizes(messages: readonly ModelMessage[]): number {
  const topics = [...new Set(messages.map(({ topic }) => topic))];
  const ofTopics = topics.reduce((sum, topic) => sum + computeLogSize(topic), 0);
  return messages.reduce((sum, { size }) => sum + size, ofTopics);
}

function sumBytes(messages: readonly ModelMessage[]): number {
  return messages.reduce((sum, { bytes }) => sum + bytes, 0);
}

function fail(failure: RecoveryFailure) {
  return { failure, positions: [] as string[] };
}
