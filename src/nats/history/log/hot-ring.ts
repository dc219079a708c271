import { MessageRing } from "../../../history/message-ring.js";
import type { NatsStoredMessage } from "../nats-stored-message.js";

/** Maximum number of messages and bytes of one topic's ring. */
const TOPIC_MESSAGES = 512;
const TOPIC_BYTES = 1_024 * 1_024;
/** Maximum number of bytes of the rings of one broker. */
const NODE_BYTES = 64 * 1_024 * 1_024;

/** Messages and bytes in all rings of a broker. */
export interface RingTotals {
  messages: number;
  bytes: number;
}

/** The newest messages of a subscribed topic. Storms of returning clients are served from it without asking NATS. */
export class HotRing {
  readonly #totals: RingTotals;
  #wholeSince = -1;
  #basePosition: string | undefined;
  readonly #ring = new MessageRing<NatsStoredMessage>(0);

  constructor(totals: RingTotals) {
    this.#totals = totals;
  }

  get base(): number {
    return this.#ring.base;
  }

  get bytes(): number {
    return this.#ring.bytes;
  }

  get length(): number {
    return this.#ring.length;
  }

  /** Messages after a sequence, oldest first; undefined if some of them have been removed. */
  after(sequence: number): readonly NatsStoredMessage[] | undefined {
    return this.#ring.after(sequence);
  }

  get all(): readonly NatsStoredMessage[] {
    return this.#ring.slice();
  }

  /** Finds the message at a sequence. */
  find(sequence: number): NatsStoredMessage | undefined {
    const index = this.#ring.countUntil((entry) => entry.sequence < sequence);
    const [entry] = this.#ring.slice(index, index + 1);
    return entry?.sequence === sequence ? entry : undefined;
  }

  /** @param most - maximum number of messages, at least 1 */
  push(message: NatsStoredMessage, most: number): void {
    this.#ring.push(message);
    this.#totals.messages += 1;
    this.#totals.bytes += message.size;
    const limit = Math.min(most, TOPIC_MESSAGES);
    while (this.#ring.length > limit || this.#ring.bytes > TOPIC_BYTES || this.#totals.bytes > NODE_BYTES) {
      if (!this.#shift()) return;
    }
  }

  /** Removes messages that were stored before a time, in milliseconds since the epoch. */
  expire(before: number): void {
    while ((this.#ring.oldest?.storedAt ?? before) < before) this.#shift();
  }

  /** Whether the ring has all messages of the topic, because nothing was stored before them. */
  get isWhole(): boolean {
    return this.#ring.base === this.#wholeSince;
  }

  /** Position at the base, where it is known: all messages after it are here. */
  get basePosition(): string | undefined {
    return this.#basePosition;
  }

  /**
   * Adds messages that were read from the store, as far as they fit.
   * @param messages - all messages of the topic after `base`, oldest first, at least up to the ring's base
   * @param position - position at `base`, if it is known
   * @param most - maximum number of messages of the ring
   */
  extend(messages: readonly NatsStoredMessage[], base: number, position: string | undefined, most: number): void {
    if (base >= this.#ring.base) return;
    const missing = messages.filter(({ sequence }) => sequence <= this.#ring.base);
    let bytes = 0;
    let first = missing.length;
    for (let message = missing[first - 1]; message !== undefined; message = missing[first - 1]) {
      bytes += message.size;
      const length = this.length + missing.length - first + 1;
      if (length > Math.min(most, TOPIC_MESSAGES) || this.bytes + bytes > TOPIC_BYTES) break;
      if (this.#totals.bytes + bytes > NODE_BYTES) break;
      first -= 1;
    }
    const added = missing.slice(first);
    this.#ring.prepend(added, missing[first - 1]?.sequence ?? base);
    this.#basePosition = missing[first - 1]?.position ?? position;
    this.#totals.messages += added.length;
    for (const { size } of added) this.#totals.bytes += size;
  }

  /**
   * Removes all, and continues after `base`.
   * @param isWhole - whether the topic has no messages before
   * @param position - position at `base`, if it is known
   */
  reset(base: number, isWhole = false, position?: string): void {
    this.#wholeSince = isWhole ? base : -1;
    this.#basePosition = position;
    this.#totals.messages -= this.#ring.length;
    this.#totals.bytes -= this.#ring.bytes;
    this.#ring.reset(base);
  }

  #shift(): boolean {
    const removed = this.#ring.shift();
    if (removed === undefined) return false;
    this.#basePosition = removed.position;
    this.#totals.messages -= 1;
    this.#totals.bytes -= removed.size;
    return true;
  }
}
