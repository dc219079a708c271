import type { StoredMessage } from "../core/history.js";
import { computeTextSize } from "./bounded-map.js";

/** A message with its place in the order of its topic's log. */
export interface LoggedMessage extends StoredMessage {
  /** Greater than that of every earlier message of the log. Not consecutive. */
  readonly sequence: number;
  /** Bytes that it counts towards bounds, as in {@link computeMessageSize}. */
  readonly size: number;
}

/** Size of a message's objects and metadata, in bytes, on top of its payload. */
const OVERHEAD = 256;

/** Returns the number of bytes that a message in memory counts towards bounds. */
export function computeMessageSize({ event, id, payload }: Pick<StoredMessage, "event" | "id" | "payload">): number {
  return payload.length + computeTextSize(id) + computeTextSize(event) + OVERHEAD;
}

/** Number of removed entries at the front of the list above which it is copied. */
const COMPACT_LENGTH = 32;

/**
 * The newest messages of a topic's log, without a gap: all that came after `base`. The owner bounds it by calling `shift`.
 */
export class MessageRing<Entry extends LoggedMessage> {
  #entries: Entry[] = [];
  /** Index of the oldest entry. Entries before it are removed together. */
  #head = 0;
  #base: number;
  #bytes = 0;

  /** @param base - sequence before the first message */
  constructor(base: number) {
    this.#base = base;
  }

  /** Sequence after which all messages of the log are here. */
  get base(): number {
    return this.#base;
  }

  /** Sequence of the newest message, or `base` where there is none. */
  get last(): number {
    return this.newest?.sequence ?? this.#base;
  }

  get newest(): Entry | undefined {
    return this.length === 0 ? undefined : this.#entries.at(-1);
  }

  get oldest(): Entry | undefined {
    return this.#entries[this.#head];
  }

  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** Sum of the sizes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param entry - the next message of the log */
  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.size;
  }

  /**
   * Adds messages before the oldest one.
   * @param entries - all messages of the log after `base` up to the ring's base, oldest first
   */
  prepend(entries: readonly Entry[], base: number): void {
    this.#entries = [...entries, ...this.slice()];
    this.#head = 0;
    this.#base = base;
    for (const { size } of entries) this.#bytes += size;
  }

  /** Removes the oldest message. */
  shift(): Entry | undefined {
    const entry = this.oldest;
    if (entry === undefined) return undefined;
    this.#head += 1;
    this.#base = entry.sequence;
    this.#bytes -= entry.size;
    // Copying costs one step for each removal, because at least half of the list is removed.
    if (
      this.#head === this.#entries.length ||
      (this.#head >= COMPACT_LENGTH && this.#head * 2 >= this.#entries.length)
    ) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  /** Removes all messages, and continues after `base`. */
  reset(base: number): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#base = base;
  }

  /** Messages after a sequence, oldest first; undefined if some of them have been removed. */
  after(sequence: number): readonly Entry[] | undefined {
    return sequence < this.#base ? undefined : this.slice(this.countUntil((entry) => entry.sequence <= sequence));
  }

  /** Messages from the index `begin` to before `end`, oldest first. The oldest has index 0. */
  slice(begin = 0, end = this.length): readonly Entry[] {
    return this.#entries.slice(this.#head + begin, this.#head + Math.max(begin, end));
  }

  /** Number of the oldest messages that fulfil a condition. No message after one that does not fulfil it may do so. */
  countUntil(fulfils: (entry: Entry) => boolean): number {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const entry = this.#entries[middle];
      if (entry !== undefined && fulfils(entry)) low = middle + 1;
      else high = middle;
    }
    return low - this.#head;
  }
}
