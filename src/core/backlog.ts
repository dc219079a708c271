import { type Batch, piecesOf } from "./batch.js";
import type { Drops } from "./drops.js";
import type { Encoding } from "./ports.js";
import type { Topic } from "./topic.js";

/** How full a backlog is left when its oldest messages are dropped. */
const SPARE = 0.75;

/**
 * What waits for one session while its connection takes nothing. It exists only for as long as that lasts.
 *
 * Where a topic has lost messages, the loss lies before the first of the topic's batches that still wait, and is told
 * there.
 */
export class Backlog {
  readonly #drops: Drops;
  #batches: Batch[] = [];
  #bytes = 0;
  /** Of what may not be dropped. */
  #keptBytes = 0;
  readonly #missed = new Map<Topic, number>();

  constructor(drops: Drops) {
    this.#drops = drops;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get empty(): boolean {
    return this.#batches.length === 0 && this.#missed.size === 0;
  }

  /**
   * Adds a batch, and makes room as the policies of the topics allow.
   * @param room - bytes that may wait
   * @returns false when there is no room: what waits and may not be dropped is too much
   */
  add(batch: Batch, room: number): boolean {
    const { topic } = batch;
    if (topic?.rules.slowConsumer === "latest") this.#replace(topic, batch);
    else this.#push(batch);
    return this.#bytes <= room || this.#makeRoom(room);
  }

  /** Takes batches to be written, at least one and about `bytes` of them. */
  take(bytes: number, encoding: Encoding): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let taken = 0;
    let count = 0;
    for (const batch of this.#batches) {
      if (count > 0 && taken >= bytes) break;
      if (!mayDrop(batch)) this.#keptBytes -= batch.size;
      this.#tell(batch.topic, encoding, frames);
      frames.push(...piecesOf(batch));
      taken += batch.size;
      count += 1;
    }
    this.#batches = this.#batches.slice(count);
    this.#bytes -= taken;
    if (this.#batches.length === 0) for (const topic of this.#missed.keys()) this.#tell(topic, encoding, frames);
    return frames;
  }

  /** The session is closed: counts what is lost with it. */
  abandon(): void {
    for (const { messages } of this.#batches) this.#drops.disconnect += messages;
    this.#batches = [];
    this.#bytes = 0;
  }

  #push(batch: Batch): void {
    this.#batches.push(batch);
    this.#bytes += batch.size;
    if (!mayDrop(batch)) this.#keptBytes += batch.size;
  }

  /** Keeps the newest message of a topic alone. */
  #replace(topic: Topic, newest: Batch): void {
    this.#drop((batch) => batch.topic === topic);
    this.#lose(topic, newest.messages - 1);
    this.#push(newest.last ?? newest);
  }

  /**
   * Drops the oldest of what may be dropped, and somewhat more than is needed now, so that the next batches need not go
   * through all that waits again. The newest batch stays, however large it is.
   */
  #makeRoom(room: number): boolean {
    const target = room * SPARE;
    const newest = this.#batches.at(-1);
    if (newest === undefined || this.#keptBytes > target) return false;
    this.#drop((batch) => this.#bytes > target && batch !== newest);
    return this.#bytes <= room || mayDrop(newest);
  }

  #drop(which: (batch: Batch) => boolean): void {
    this.#batches = this.#batches.filter((batch) => {
      if (batch.topic === undefined || !mayDrop(batch) || !which(batch)) return true;
      this.#bytes -= batch.size;
      this.#lose(batch.topic, batch.messages);
      return false;
    });
  }

  #lose(topic: Topic, messages: number): void {
    if (messages === 0) return;
    this.#drops[topic.rules.slowConsumer] += messages;
    this.#missed.set(topic, (this.#missed.get(topic) ?? 0) + messages);
  }

  #tell(topic: Topic | undefined, encoding: Encoding, frames: Uint8Array[]): void {
    if (topic === undefined) return;
    const missed = this.#missed.get(topic);
    if (missed === undefined) return;
    this.#missed.delete(topic);
    const frame = encoding.laggedFrame(topic.name, missed);
    if (frame !== undefined) frames.push(frame);
  }
}

/** Answers may not, nor messages of topics whose slow consumers are disconnected. */
function mayDrop({ topic }: Batch): boolean {
  return topic !== undefined && topic.rules.slowConsumer !== "disconnect";
}
