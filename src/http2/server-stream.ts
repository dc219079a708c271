import { Http2Code } from "./http2-codes.js";
import type { SendScheduler } from "./send-scheduler.js";
import type { StreamReceiver } from "./stream-receiver.js";

/** Connection of a stream. */
export interface StreamOwner {
  /** Lets the peer send more on the stream. */
  credit(stream: ServerStream, bytes: number): void;
  /** Lets the peer send more on the connection. */
  release(stream: ServerStream, bytes: number): void;
  /** Ends a stream whose answer is complete. */
  finish(stream: ServerStream): void;
  /** Resets a stream. */
  abandon(stream: ServerStream, code: number): void;
}

/**
 * Stream of a connection: one request and its answer. Fields that are not private belong to the connection and its send queue.
 */
export class ServerStream {
  readonly id: number;
  /** Undefined until the connection has announced the stream. */
  receiver: StreamReceiver | undefined;

  /** Next stream of the same chain in {@link StreamTable}. */
  nextInChain: ServerStream | undefined;
  /** Next stream of the ready ones in {@link SendScheduler}. */
  nextReady: ServerStream | undefined;
  isReady = false;

  /** Bytes that the peer accepts; negative after it has reduced its initial window (RFC 9113, section 6.9.2). */
  sendWindow: number;
  /** Bytes that the peer may send. */
  receiveWindow: number;
  /** Bytes received and not released. */
  heldBytes = 0;
  /** Bytes consumed that the peer has not been told of. */
  creditBytes = 0;
  /** Bytes of the request that are missing, by its content-length; undefined if it has none. */
  missingBytes: number | undefined;
  /** The piece of the body that is being received has END_STREAM. */
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
  waiting: Buffer[] | undefined;
  /** Bytes of the first waiting part that were sent. */
  sentOfFirst = 0;
  waitingBytes = 0;
  /** {@link send} has returned false since the receiver was last told that nothing waits. */
  isDrainAwaited = false;
  /** Trailers that follow the waiting parts. */
  trailers: Buffer | undefined;

  readonly #owner: StreamOwner;
  readonly #queue: SendScheduler;

  /** @param receiveWindow - in bytes */
  constructor(id: number, owner: StreamOwner, queue: SendScheduler, receiveWindow: number) {
    this.id = id;
    this.#owner = owner;
    this.#queue = queue;
    this.sendWindow = queue.initialWindow;
    this.receiveWindow = receiveWindow;
  }

  /** True when nothing more can be sent: the answer has ended, or the stream is over. */
  get isClosed(): boolean {
    return this.isOver || this.isAnswerComplete || this.trailers !== undefined;
  }

  /** Bytes given to {@link send} that wait for the peer's windows or for the socket. */
  get pendingBytes(): number {
    return this.waitingBytes;
  }

  /**
   * Sends the header fields of the answer. Nothing happens once the stream is closed.
   * @param block - of {@link encodeHeaders}
   * @param end - whether the answer has neither body nor trailers
   */
  respond(block: Buffer, end = false): void {
    if (this.isClosed) return;
    this.#queue.writer.writeHeaders(this.id, block, end);
    if (end) this.#complete();
    else this.#queue.announce();
  }

  /**
   * Sends a piece of the body, as one or two parts. What cannot be sent at once is kept, so the buffers must not change. Nothing
   * happens once the stream is closed.
   * @returns false if bytes wait; {@link StreamReceiver.onDrain} follows when they have left
   */
  send(first: Buffer, second?: Buffer): boolean {
    if (this.isClosed) return true;
    return this.#queue.send(this, first, second);
  }

  /**
   * Ends the answer after everything that was sent. Nothing happens once the stream is closed.
   * @param block - trailers, of {@link encodeHeaders}
   */
  end(block: Buffer): void {
    if (this.isClosed) return;
    if (this.waitingBytes > 0) {
      this.trailers = block;
      return;
    }
    this.#queue.writer.writeHeaders(this.id, block, true);
    this.#complete();
  }

  /**
   * Resets the stream. What waits is discarded.
   * @param code - of {@link Http2Code}
   */
  reset(code: number = Http2Code.CANCEL): void {
    if (!this.isOver) this.#owner.abandon(this, code);
  }

  /** Returns received bytes to the windows, so that the peer may send as many more. */
  consume(bytes: number): void {
    this.release(bytes);
    this.widen(bytes);
  }

  /**
   * Returns received bytes to the window of the connection, so that a stream whose requests wait does not block the others. The
   * bytes must be bounded otherwise, and be passed to {@link widen} later.
   */
  release(bytes: number): void {
    if (!this.isOver) this.#owner.release(this, bytes);
  }

  /** Returns released bytes to the window of the stream. */
  widen(bytes: number): void {
    if (!this.isOver) this.#owner.credit(this, bytes);
  }

  /** Sends the trailers that have waited for the body. */
  sendTrailers(block: Buffer): void {
    this.trailers = undefined;
    this.#queue.writer.writeHeaders(this.id, block, true);
    this.#complete();
  }

  #complete(): void {
    this.isAnswerComplete = true;
    this.#queue.announce();
    this.#owner.finish(this);
  }
}
