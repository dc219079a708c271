import { Backlog, type WaitingCounts } from "./backlog.js";
import { type Batch, personalizeBatch, piecesOf, type SessionFrames } from "./batch.js";
import type { Encoding, Sink } from "./ports.js";
import type { Drops } from "./topic-rules.js";

/** Maximum number of bytes written to a connection beyond those it has accepted. */
const MAX_WINDOW = 64 * 1024;

/** State shared by all outboxes of a node. */
export class OutboxContext {
  /** Bytes written to a connection beyond those it has accepted. They can no longer be dropped. */
  window = 0;
  /** Bytes that may wait in an outbox, where they can still be dropped. */
  room = 0;
  /** Sessions whose connections are full, and the bytes that wait for them. */
  readonly waiting: WaitingCounts = { sessions: 0, bytes: 0 };
  /** Number of the current turn of the event loop. */
  turn = 0;

  /** @param limit - bytes that may wait for one peer, in its connection and its outbox together */
  constructor(
    limit: number,
    readonly drops: Drops,
  ) {
    this.changeLimit(limit);
  }

  /** Changes the limit, also for sessions that exist. */
  changeLimit(limit: number): void {
    this.window = Math.min(MAX_WINDOW, Math.floor(limit / 2));
    this.room = limit - this.window;
  }
}

/**
 * Frames of one session for this turn of the event loop, and the bound on the bytes that may wait for its peer (O6).
 *
 * A peer that had accepted everything when the turn began gets all frames of the turn, in however many writes. So one message
 * or burst larger than the limit does not close a session that keeps up. This costs no memory: recipients share the bytes.
 */
export class Outbox {
  readonly encoding: Encoding;
  /** Undefined if the session gets the frames that all sessions with its encoding share. */
  readonly frames: SessionFrames | undefined;
  readonly #sink: Sink;
  readonly #context: OutboxContext;
  // Most turns bring a session one batch; no list is allocated for it.
  #first: Batch | undefined;
  #more: Batch[] | undefined;
  #backlog: Backlog | undefined;
  /** Last turn in which the peer had accepted everything. */
  #caughtUp = -1;
  /** Number of the last message, where the encoding numbers them. */
  #count = 0;

  constructor(sink: Sink, encoding: Encoding, context: OutboxContext, frames?: SessionFrames) {
    this.#sink = sink;
    this.encoding = encoding;
    this.frames = frames;
    this.#context = context;
  }

  /** Whether no batch was pushed in this turn. */
  get empty(): boolean {
    return this.#first === undefined;
  }

  push(shared: Batch): void {
    const batch = this.#toOwnBatch(shared);
    if (this.#first === undefined) this.#first = batch;
    else if (this.#more === undefined) this.#more = [batch];
    else this.#more.push(batch);
  }

  /** Notes whether the peer has accepted everything. */
  look(): void {
    if (this.#sink.backlog === 0) this.#caughtUp = this.#context.turn;
  }

  /**
   * Writes the batches of the turn in one write, or adds them to the backlog.
   * @returns false when the backlog exceeds its limit: the caller closes the session
   */
  flush(): boolean {
    const first = this.#first;
    const more = this.#more;
    if (first === undefined) return true;
    this.#first = undefined;
    this.#more = undefined;
    return more === undefined ? this.#flushOne(first) : this.#flushMany([first, ...more]);
  }

  /** Writes or queues the only batch of a turn. Returns false as `flush` does. */
  flushAlone(shared: Batch): boolean {
    return this.#flushOne(this.#toOwnBatch(shared));
  }

  /** Returns the session's own frame of a message: with its next number, where the encoding numbers messages. */
  ownFrame(frame: Uint8Array): Uint8Array {
    const { countedFrames } = this.encoding;
    const own = this.frames?.personalize(undefined, [frame]);
    if (own !== undefined) return Buffer.concat(own);
    if (countedFrames === undefined) return frame;
    this.#count += 1;
    const pieces = countedFrames([frame])(this.#count);
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  }

  /** Writes everything, including the backlog, even to a full connection. Nothing may be pushed afterwards. */
  finish(): void {
    this.flush();
    if (this.#backlog !== undefined) {
      this.#sink.writeAll(this.#backlog.take(Number.POSITIVE_INFINITY, this.encoding));
      this.discard();
    }
  }

  /** Discards the backlog, because it was written or because the peer has gone. */
  discard(): void {
    this.#backlog?.end();
    this.#backlog = undefined;
  }

  /** Discards everything because the session is closed, and counts the lost messages. */
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

  /** Returns the session's own batch: with its numbers, where the encoding numbers messages. */
  #toOwnBatch(batch: Batch): Batch {
    if (this.frames !== undefined) return personalizeBatch(batch, this.frames);
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
    const { turn, window } = this.#context;
    if (this.#caughtUp !== turn) this.look();
    return this.#caughtUp === turn || this.#sink.backlog + bytes <= window;
  }

  #wait(batch: Batch): boolean {
    const { drops, room, waiting } = this.#context;
    if (this.#backlog === undefined) {
      this.#backlog = new Backlog(drops, waiting);
      this.#resumeLater();
    }
    return this.#backlog.add(batch, room);
  }

  #resumeLater(): void {
    this.#sink.onceDrained(() => {
      const backlog = this.#backlog;
      if (backlog === undefined) return;
      this.#sink.writeAll(backlog.take(this.#context.window, this.encoding));
      if (backlog.empty) this.discard();
      else this.#resumeLater();
    });
  }
}
