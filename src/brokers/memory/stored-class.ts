import { setImmediate } from "node:timers/promises";
import type { HistoryClass, StoredReceipt } from "../../core/history.js";
import type { Publication } from "../../core/message.js";
import type { Clock } from "../../core/ports.js";
import type { HistoryCounts } from "../../history/history-counts.js";
import { RecentIds } from "../../history/recent-ids.js";
import { LinkedList } from "../../util/linked-list.js";
import type { Positions } from "./positions.js";
import { MemoryMessage, StoredLog } from "./stored-log.js";
import { TrimmedTopics } from "./trimmed-topics.js";

/** Counts the stored messages and purges of a driver. Never restarts. */
export interface Sequences {
  last: number;
}

export interface StoredClassOptions {
  readonly vhost: string;
  readonly clock: Clock;
  readonly positions: Positions;
  readonly sequences: Sequences;
  readonly counts: HistoryCounts;
}

/** Maximum number of messages and ids that one turn removes. */
const SLICE = 5_000;

/** Least time between sweeps, in milliseconds. Reads leave out expired messages in any case. */
const SWEEP_PAUSE = 1_000;

/**
 * Least bytes for the ids and for the emptied topics that a class remembers. A class with more `bytes` has the share
 * {@link REMEMBERED_SHARE} of these for each.
 */
const REMEMBERED_BYTES = 1_048_576;
const REMEMBERED_SHARE = 1 / 8;

/** A stored or recognized message. */
export interface Appended {
  readonly receipt: StoredReceipt;
  /** Undefined for a duplicate. */
  readonly message: MemoryMessage | undefined;
}

/** The logs of a vhost's topics that share a class, within its bounds. */
export class StoredClass {
  readonly #options: StoredClassOptions;
  readonly #logs = new Map<string, StoredLog>();
  readonly #ids = new RecentIds();
  #settings: HistoryClass;
  #trimmed: TrimmedTopics;
  /** Messages of all topics, oldest first. May contain messages that a purge has removed from their log. */
  #order = new LinkedList<MemoryMessage>();
  #messages = 0;
  #bytes = 0;
  /** Logs that may exceed the bounds, because these have been lowered. */
  #untrimmed: Iterator<StoredLog> | undefined;
  #cancelSweep: (() => void) | undefined;

  constructor(settings: HistoryClass, options: StoredClassOptions) {
    this.#settings = settings;
    this.#options = options;
    // Positions from before belong to an earlier class of this name, whose messages are gone.
    this.#trimmed = new TrimmedTopics(options.sequences.last);
  }

  /** Whether the class has no logs, so that it can be dropped. */
  get isUnused(): boolean {
    return this.#logs.size === 0;
  }

  /** Applies changed settings: lower bounds remove messages, in slices. */
  changeSettings(settings: HistoryClass): void {
    if (this.#settings === settings) return;
    this.#settings = settings;
    this.#untrimmed = this.#logs.values();
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    this.#sweep();
  }

  /** Stores a message, unless it repeats the id of a recent one. */
  append({ hasGeneratedId = false, message, topic }: Publication): Appended {
    const { clock, counts, sequences } = this.#options;
    const now = clock.monotonic();
    const window = now - this.#settings.deduplication;
    this.#ids.expire(window, 2);
    const first = hasGeneratedId ? undefined : this.#ids.find(topic, message.id, window);
    const log = this.#findOrAdd(topic);
    if (first !== undefined) {
      this.#dropUnused(log);
      counts.duplicates += 1;
      return { receipt: createReceipt(() => log.encode(first), true), message: undefined };
    }
    sequences.last += 1;
    const stored = new MemoryMessage(log, sequences.last, message, now);
    // Generated ids never repeat. They would shorten the window of the others.
    if (!hasGeneratedId)
      this.#ids.add(topic, message.id, { sequence: stored.sequence, at: now }, this.#rememberedBytes);
    log.ring.push(stored);
    stored.entry = this.#order.add(stored);
    counts.stored += 1;
    this.#account(1, stored.size + (log.ring.length === 1 ? log.size : 0));
    this.#trim(log);
    while (this.#bytes > this.#settings.bytes && this.#order.first !== stored) this.#removeOldest();
    this.#arm(now);
    return { receipt: createReceipt(() => stored.position, false), message: stored };
  }

  /** Returns the log of a topic, and keeps it until {@link release}. */
  hold(topic: string): StoredLog {
    const log = this.#findOrAdd(topic);
    log.holders += 1;
    return log;
  }

  release(log: StoredLog): void {
    log.holders -= 1;
    this.#dropUnused(log);
  }

  /** Removes messages of a held log that have expired or exceed the bounds, so that a read does not return them. */
  refresh(log: StoredLog): void {
    const expired = this.#options.clock.monotonic() - this.#settings.age;
    for (let { oldest } = log.ring; oldest !== undefined && oldest.storedAt <= expired; { oldest } = log.ring) {
      this.#remove(oldest);
    }
    this.#trim(log);
  }

  /** Removes all messages of a topic and lets all its positions expire. @returns the number of removed messages */
  async purge(topic: string): Promise<number> {
    const log = this.hold(topic);
    this.refresh(log);
    const purged = log.ring.slice();
    const order = this.#order;
    if (purged.length > 0) this.#account(-purged.length, -log.ring.bytes - log.size);
    this.#options.sequences.last += 1;
    log.ring.reset(this.#options.sequences.last);
    this.release(log);
    for (const [position, { entry }] of purged.entries()) {
      if (entry !== undefined) order.remove(entry);
      if (position % SLICE === SLICE - 1) await setImmediate();
    }
    return purged.length;
  }

  /** Removes all messages and lets all positions expire. Logs with subscriptions stay. */
  clear(): void {
    const { sequences } = this.#options;
    sequences.last += 1;
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    this.#untrimmed = undefined;
    this.#order = new LinkedList();
    this.#account(-this.#messages, -this.#bytes);
    this.#ids.clear();
    this.#trimmed = new TrimmedTopics(sequences.last);
    for (const [topic, log] of this.#logs) {
      log.ring.reset(sequences.last);
      if (log.holders === 0) this.#logs.delete(topic);
    }
  }

  /** Maximum number of bytes of the remembered ids, and of the remembered topics. */
  get #rememberedBytes(): number {
    return Math.max(REMEMBERED_BYTES, this.#settings.bytes * REMEMBERED_SHARE);
  }

  #findOrAdd(topic: string): StoredLog {
    const known = this.#logs.get(topic);
    if (known !== undefined) return known;
    const { positions, vhost } = this.#options;
    const address = { vhost, history: this.#settings.name, topic };
    const log = new StoredLog(address, positions, this.#trimmed.take(topic));
    this.#logs.set(topic, log);
    return log;
  }

  #dropUnused(log: StoredLog): void {
    const { topic } = log.address;
    if (log.holders > 0 || log.ring.length > 0 || this.#logs.get(topic) !== log) return;
    this.#logs.delete(topic);
    this.#trimmed.add(topic, log.ring.base, this.#rememberedBytes);
  }

  /** Removes the oldest messages of a log that exceed its bounds, but never the newest message. */
  #trim({ ring }: StoredLog): number {
    const { messages, topicBytes = Number.POSITIVE_INFINITY } = this.#settings;
    let count = 0;
    while (ring.length > 1 && (ring.length > messages || ring.bytes > topicBytes)) {
      if (ring.oldest !== undefined) this.#remove(ring.oldest);
      count += 1;
    }
    return count;
  }

  #account(messages: number, bytes: number): void {
    const { held } = this.#options.counts;
    this.#messages += messages;
    held.messages += messages;
    this.#bytes += bytes;
    held.bytes += bytes;
  }

  #removeOldest(): void {
    const { first } = this.#order;
    if (first !== undefined) this.#remove(first);
  }

  /** @param message - the oldest of its log, or one that a purge has removed from it */
  #remove(message: MemoryMessage): void {
    const { entry, log } = message;
    if (entry !== undefined) this.#order.remove(entry);
    if (log.ring.oldest !== message) return;
    log.ring.shift();
    this.#account(-1, -message.size - (log.ring.length === 0 ? log.size : 0));
    this.#dropUnused(log);
  }

  readonly #sweep = (): void => {
    this.#cancelSweep = undefined;
    const now = this.#options.clock.monotonic();
    let budget = SLICE;
    for (; budget > 0 && this.#isOldestDue(now); budget -= 1) this.#removeOldest();
    budget -= this.#ids.expire(now - this.#settings.deduplication, budget);
    while (budget > 0 && this.#untrimmed !== undefined) {
      const next = this.#untrimmed.next();
      if (next.done === true) this.#untrimmed = undefined;
      else budget -= 1 + this.#trim(next.value);
    }
    this.#arm(now, budget > 0 ? SWEEP_PAUSE : 1);
  };

  #isOldestDue(now: number): boolean {
    const { age, bytes } = this.#settings;
    const { first } = this.#order;
    return first !== undefined && (first.storedAt <= now - age || this.#bytes > bytes);
  }

  /** Starts the timer of the next sweep, unless it runs or nothing will expire. */
  #arm(now: number, pause = SWEEP_PAUSE): void {
    if (this.#cancelSweep !== undefined) return;
    const { age, deduplication } = this.#settings;
    const first = this.#order.first?.storedAt ?? Number.POSITIVE_INFINITY;
    const due = Math.min(first + age, (this.#ids.oldest ?? Number.POSITIVE_INFINITY) + deduplication);
    if (due === Number.POSITIVE_INFINITY && this.#untrimmed === undefined) return;
    const delay = pause < SWEEP_PAUSE ? pause : Math.max(pause, due - now);
    this.#cancelSweep = this.#options.clock.after(delay, this.#sweep);
  }
}

/** Creates a receipt that computes its position when it is first read. */
function createReceipt(encode: () => string, duplicate: boolean): StoredReceipt {
  return {
    get position() {
      return encode();
    },
    duplicate,
  };
}
