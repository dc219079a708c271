import { type Batch, piecesOf } from "./batch.js";
import type { Encoding } from "./ports.js";
import type { Topic } from "./topic.js";
import type { Drops } from "./topic-rules.js";

/** Fraction of the limit that stays in use after the oldest batches were dropped. */
const SPARE = 0.75;

/** Sessions that have a backlog, and its bytes. Plain numbers that the metrics read. */
export interface WaitingCounts {
  sessions: number;
  bytes: number;
}

/**
 * Batches that wait for one session while its connection is full. A backlog exists only for that time.
 *
 * Messages are dropped from the front of a topic: the client learns of a loss just before the topic's next batch.
 */
export class Backlog {
  readonly #drops: Drops;
  readonly #waiting: WaitingCounts;
  #batches: Batch[] = [];
  #bytes = 0;
  /** Bytes of the batches that must not be dropped. */
  #keptBytes = 0;
  readonly #missed = new Map<Topic, number>();

  /** @param waiting - counts this backlog until it ends */
  constructor(drops: Drops, waiting: WaitingCounts) {
    this.#drops = drops;
    this.#waiting = waiting;
    waiting.sessions += 1;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get empty(): boolean {
    return this.#batches.length === 0 && this.#missed.size === 0;
  }

  /**
   * Adds a batch and drops others where their topics' policies allow it.
   * @param limit - maximum number of bytes that may wait
   * @returns false when the batches that must not be dropped exceed that maximum
   */
  add(batch: Batch, limit: number): boolean {
    const { topic } = batch;
    if (topic?.rules.slowConsumer === "latest") this.#replace(topic, batch);
    else this.#push(batch);
    return this.#bytes <= limit || this.#makeRoom(limit);
  }

  /** Removes batches for writing: at least one, and about `bytes` in total. */
  take(bytes: number, encoding: Encoding): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let taken = 0;
    let count = 0;
    for (const batch of this.#batches) {
      if (count > 0 && taken >= bytes) break;
      if (!mayDrop(batch)) this.#keptBytes -= batch.size;
      this.#addLaggedFrame(batch.topic, encoding, frames);
      frames.push(...piecesOf(batch));
      taken += batch.size;
      count += 1;
    }
    this.#batches = this.#batches.slice(count);
    this.#grow(-taken);
    if (this.#batches.length === 0)
      for (const topic of this.#missed.keys()) this.#addLaggedFrame(topic, encoding, frames);
    return frames;
  }

  /** Ends because the session is closed, and counts the lost messages. */
  abandon(): void {
    for (const { messages } of this.#batches) this.#drops.disconnect += messages;
    this.end();
  }

  /** Discards what is left. Called once, when the connection has accepted everything or has ended. */
  end(): void {
    this.#batches = [];
    this.#grow(-this.#bytes);
    this.#waiting.sessions -= 1;
  }

  #push(batch: Batch): void {
    this.#batches.push(batch);
    this.#grow(batch.size);
    if (!mayDrop(batch)) this.#keptBytes += batch.size;
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    this.#waiting.bytes += bytes;
  }

  /** Replaces the topic's waiting messages with its newest one. */
  #replace(topic: Topic, newest: Batch): void {
    this.#drop((batch) => batch.topic === topic);
    this.#countDropped(topic, newest.messages - 1);
    this.#push(newest.last ?? newest);
  }

  /**
   * Drops the oldest droppable batches. It drops more than needed, so that the next batches do not scan the whole backlog
   * again. The newest batch stays whatever its size.
   */
  #makeRoom(limit: number): boolean {
    const target = limit * SPARE;
    const newest = this.#batches.at(-1);
    if (newest === undefined || this.#keptBytes > target) return false;
    this.#drop((batch) => this.#bytes > target && batch !== newest);
    return this.#bytes <= limit || mayDrop(newest);
  }

  #drop(which: (batch: Batch) => boolean): void {
    this.#batches = this.#batches.filter((batch) => {
      if (batch.topic === undefined || !mayDrop(batch) || !which(batch)) return true;
      this.#grow(-batch.size);
      this.#countDropped(batch.topic, batch.messages);
      return false;
    });
  }

  #countDropped(topic: Topic, messages: number): void {
    if (messages === 0) return;
    this.#drops[topic.rules.slowConsumer] += messages;
    this.#missed.set(topic, (this.#missed.get(topic) ?? 0) + messages);
  }

  #addLaggedFrame(topic: Topic | undefined, encoding: Encoding, frames: Uint8Array[]): void {
    if (topic === undefined) return;
    const missed = this.#missed.get(topic);
    if (missed === undefined) return;
    this.#missed.delete(topic);
    const frame = encoding.laggedFrame(topic.name, missed);
    if (frame !== undefined) frames.push(frame);
  }
}

/** Whether the batch may be dropped. Answers, and batches of topics that disconnect slow consumers, may not. */
function mayDrop({ topic }: Batch): boolean {
  return topic !== undefined && topic.rules.slowConsumer !== "disconnect";
}
