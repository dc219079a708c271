import { Http2Code } from "./http2-codes.js";
import type { SendScheduler } from "./send-scheduler.js";
import type { ServerStream } from "./server-stream.js";
import type { StreamReceiver } from "./stream-receiver.js";

/** Header block without fields: the answer ends with an empty DATA frame. */
const NO_TRAILERS = Buffer.alloc(0);

/** Connection of a stream. */
export interface StreamOwner {
  /** Lets the peer send more on the stream. */
  widen(stream: Http2Stream, bytes: number): void;
  /** Lets the peer send more on the connection. */
  release(stream: Http2Stream, bytes: number): void;
  /** Ends a stream whose answer is complete. */
  finish(stream: Http2Stream): void;
  /** Resets a stream. */
  abandon(stream: Http2Stream, code: number): void;
}

/**
 * State of a stream. One object with plain fields serves the table of streams, the scheduler of answers and the windows of
 * requests, because a stream is created for each call. Only this folder sees the fields; others use {@link ServerStream}.
 */
export class Http2Stream implements ServerStream {
  readonly id: number;
  /** Undefined until the connection has announced the stream. */
  receiver: StreamReceiver | undefined;

  /** Next stream of the same chain in {@link StreamTable}. */
  nextInChain: Http2Stream | undefined;
  /** Neighbours among the ready streams of {@link SendScheduler}. */
  previousReady: Http2Stream | undefined;
  nextReady: Http2Stream | undefined;
  isReady = false;

  /** Bytes that the peer accepts; negative after it has reduced its initial window (RFC 9113, section 6.9.2). */
  sendWindow: number;
  /** Bytes that the peer may send. */
  receiveWindow: number;
  /** Bytes received and not released. */
  heldBytes = 0;
  /** Bytes consumed that no WINDOW_UPDATE has returned to the peer yet. */
  creditBytes = 0;
  /** Bytes of the request that are missing, by its content-length; undefined if it has none. */
  missingBytes: number | undefined;
  isLastPiece = false;
  /** The peer has sent END_STREAM. */
  isRequestComplete = false;
  /** This side has sent END_STREAM. */
  isAnswerComplete = false;
  /** Nothing follows in either direction. */
  isOver = false;
  /** Why the stream is over, see {@link StreamReceiver.onClose}. */
  closeCode: number | undefined;

  /** Parts of the answer that wait, oldest first; undefined as long as none has waited. */
  pendingParts: Buffer[] | undefined;
  /** Bytes of the first pending part that were sent. */
  sentOfFirst = 0;
  pendingBytes = 0;
  /** {@link send} has returned false since the receiver was last told that nothing waits. */
  isDrainAwaited = false;
  /** Trailers that follow the pending parts. */
  trailers: Buffer | undefined;

  readonly #owner: StreamOwner;
  readonly #scheduler: SendScheduler;

  /** @param receiveWindow - in bytes */
  constructor(id: number, owner: StreamOwner, scheduler: SendScheduler, receiveWindow: number) {
    this.id = id;
    this.#owner = owner;
    this.#scheduler = scheduler;
    this.sendWindow = scheduler.initialWindow;
    this.receiveWindow = receiveWindow;
  }

  get isClosed(): boolean {
    return this.isOver || this.isAnswerComplete || this.trailers !== undefined;
  }

  respond(block: Buffer, end = false): void {
    if (this.isClosed) return;
    this.#scheduler.writer.writeHeaders(this.id, block, end);
    if (end) this.#complete();
    else this.#scheduler.announce();
  }

  send(first: Buffer, second?: Buffer): boolean {
    if (this.isClosed) return true;
    return this.#scheduler.send(this, first, second);
  }

  end(block = NO_TRAILERS): void {
    if (this.isClosed) return;
    if (this.pendingBytes > 0) this.trailers = block;
    else this.sendTrailers(block);
  }

  reset(code: number = Http2Code.CANCEL): void {
    if (!this.isOver) this.#owner.abandon(this, code);
  }

  beforeWrite(callback: () => void): void {
    if (!this.isOver) this.#scheduler.beforeWrite(this, callback);
  }

  consume(bytes: number): void {
    this.release(bytes);
    this.widen(bytes);
  }

  release(bytes: number): void {
    if (!this.isOver) this.#owner.release(this, bytes);
  }

  widen(bytes: number): void {
    if (!this.isOver) this.#owner.widen(this, bytes);
  }

  /** Sends the trailers behind the body. */
  sendTrailers(block: Buffer): void {
    this.trailers = undefined;
    if (block.length > 0) this.#scheduler.writer.writeHeaders(this.id, block, true);
    else this.#scheduler.writer.writeEnd(this.id);
    this.#complete();
  }

  #complete(): void {
    this.isAnswerComplete = true;
    this.#scheduler.announce();
    this.#owner.finish(this);
  }
}
