import { Backlog } from "./backlog.js";
import { type Batch, piecesOf } from "./batch.js";
import type { Drops } from "./drops.js";
import type { Encoding, Sink } from "./ports.js";

/** Largest part of the limit that a connection is given beyond what it has taken. */
const LARGEST_WINDOW = 64 * 1024;

/** What all outboxes of a node share. */
export class OutboxContext {
  /** Bytes that a connection is given beyond what it has taken: those can no longer be dropped. */
  readonly window: number;
  /** Bytes that may wait in an outbox, where they still can. */
  readonly room: number;
  /** Number of the turn of the event loop. */
  turn = 0;

  /** @param limit - bytes that may wait for one peer, in its connection and in its outbox together */
  constructor(
    limit: number,
    readonly drops: Drops,
  ) {
    this.window = Math.min(LARGEST_WINDOW, Math.floor(limit / 2));
    this.room = limit - this.window;
  }
}

/**
 * The frames of one session for this turn of the event loop, and the bound on what may wait for its peer (O6).
 *
 * A peer that had taken everything when the turn began gets whatever the turn brings, however it is cut into writes:
 * one message or one burst larger than the limit does not end a session that keeps up. (The bytes are shared by all
 * who get them, so that costs no memory.)
 */
export class Outbox {
  readonly encoding: Encoding;
  readonly #sink: Sink;
  readonly #context: OutboxContext;
  // Nearly every turn brings a session one batch: no list is made for it.
  #first: Batch | undefined;
  #more: Batch[] | undefined;
  #backlog: Backlog | undefined;
  /** The last turn in which the peer was found to have taken everything. */
  #caughtUp = -1;
  /** Messages so far, where they are counted. */
  #count = 0;

  constructor(sink: Sink, encoding: Encoding, context: OutboxContext) {
    this.#sink = sink;
    this.encoding = encoding;
    this.#context = context;
  }

  /** Whether this turn has brought nothing yet. */
  get empty(): boolean {
    return this.#first === undefined;
  }

  push(shared: Batch): void {
    const batch = this.#own(shared);
    if (this.#first === undefined) this.#first = batch;
    else if (this.#more === undefined) this.#more = [batch];
    else this.#more.push(batch);
  }

  /**
   * Writes what the turn brought, in one write, or lets it wait.
   * @returns false when more would wait than may: the session is to be closed
   */
  flush(): boolean {
    const first = this.#first;
    const more = this.#more;
    if (first === undefined) return true;
    this.#first = undefined;
    this.#more = undefined;
    return more === undefined ? this.#flushOne(first) : this.#flushMany([first, ...more]);
  }

  /** The same for a turn that brings this batch and nothing else. */
  flushAlone(shared: Batch): boolean {
    return this.#flushOne(this.#own(shared));
  }

  /** A frame of a message that is for few sessions, as it is for this one. */
  counted(frame: Uint8Array): Uint8Array {
    const { countedFrames } = this.encoding;
    if (countedFrames === undefined) return frame;
    this.#count += 1;
    const pieces = countedFrames([frame])(this.#count);
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  }

  /** Gives the connection everything, whatever it has taken: nothing comes after. */
  finish(): void {
    this.flush();
    if (this.#backlog !== undefined) {
      this.#sink.writeAll(this.#backlog.take(Number.POSITIVE_INFINITY, this.encoding));
      this.#backlog = undefined;
    }
  }

  /** The session is closed: what waits is lost, and counted. */
  abandon(): void {
    const { drops } = this.#context;
    for (const batch of [this.#first, ...(this.#more ?? [])]) drops.disconnect += batch?.messages ?? 0;
    this.#first = undefined;
    this.#more = undefined;
    this.#backlog?.abandon();
    this.#backlog = undefined;
  }

  #flushOne(batch: Batch): boolean {
    if (!this.#fits(batch.size)) return this.#wait(batch);
    if (batch.pieces === undefined) this.#sink.write(batch.bytes);
    else this.#sink.writeAll(batch.pieces);
    return true;
  }

  #own(batch: Batch): Batch {
    if (batch.countedFrom === undefined) return batch;
    const first = this.#count + 1;
    this.#count += batch.messages;
    return batch.countedFrom(first);
  }

  #flushMany(batches: readonly Batch[]): boolean {
    let bytes = 0;
    for (const batch of batches) bytes += batch.size;
    if (this.#fits(bytes)) {
      this.#sink.writeAll(batches.flatMap(piecesOf));
      return true;
    }
    let inTime = true;
    for (const batch of batches) {
      if (inTime) inTime = this.#wait(batch);
      else this.#context.drops.disconnect += batch.messages;
    }
    return inTime;
  }

  #fits(bytes: number): boolean {
    if (this.#backlog !== undefined) return false;
    const { backlog } = this.#sink;
    const { turn, window } = this.#context;
    if (backlog === 0) this.#caughtUp = turn;
    return this.#caughtUp === turn || backlog + bytes <= window;
  }

  #wait(batch: Batch): boolean {
    const { drops, room } = this.#context;
    if (this.#backlog === undefined) {
      this.#backlog = new Backlog(drops);
      this.#resumeLater();
    }
    return this.#backlog.add(batch, room);
  }

  #resumeLater(): void {
    this.#sink.onceDrained(() => {
      const backlog = this.#backlog;
      if (backlog === undefined) return;
      this.#sink.writeAll(backlog.take(this.#context.window, this.encoding));
      if (backlog.empty) this.#backlog = undefined;
      else this.#resumeLater();
    });
  }
}
