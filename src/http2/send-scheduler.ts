import type { FloodCredits } from "./flood-credits.js";
import { DEFAULT_WINDOW, MAX_FRAME_BYTES, MAX_UINT31 } from "./frames/frame-types.js";
import { FrameWriter } from "./frames/frame-writer.js";
import type { Http2Stream } from "./http2-stream.js";

/** Credits for a DATA frame that was sent. The peer may answer with an update of the stream's and of the connection's window. */
const CREDITS_PER_FRAME = 2;

export interface SendSchedulerOptions {
  /** Bytes of output above which bodies wait. */
  readonly outputBytes: number;
  readonly credits: FloodCredits;
  /** Called when output appears, or may be made before a write. */
  readonly onOutput: () => void;
}

/**
 * Sends the bodies of answers within the peer's windows (RFC 9113, section 5.2) and the socket's capacity. Streams that wait
 * take turns, a frame each.
 */
export class SendScheduler {
  readonly writer = new FrameWriter();
  /** Initial window of streams, by the peer's settings. */
  initialWindow = DEFAULT_WINDOW;
  readonly #options: SendSchedulerOptions;
  /** Bytes that the peer accepts on the connection. */
  #window = DEFAULT_WINDOW;
  /** Callbacks of streams that are not over. */
  readonly #beforeWrite = new Map<Http2Stream, () => void>();
  #isCongested = false;
  #isSending = false;
  /** Streams that have bytes to send and a window for them. */
  #firstReady: Http2Stream | undefined;
  #lastReady: Http2Stream | undefined;

  constructor(options: SendSchedulerOptions) {
    this.#options = options;
  }

  /** See {@link ServerStream.beforeWrite}. */
  beforeWrite(stream: Http2Stream, callback: () => void): void {
    this.#beforeWrite.set(stream, callback);
    this.announce();
  }

  /** Returns the output and begins anew; undefined if there is none. */
  take(): Buffer | undefined {
    if (this.#beforeWrite.size > 0) {
      const callbacks = [...this.#beforeWrite];
      this.#beforeWrite.clear();
      for (const [stream, callback] of callbacks) if (!stream.isOver) callback();
    }
    return this.writer.take();
  }

  /** Reports that output exists, or that a stream may make some. */
  announce(): void {
    this.#options.onOutput();
  }

  /** @returns false if bytes wait */
  send(stream: Http2Stream, first: Buffer, second: Buffer | undefined): boolean {
    const bytes = first.length + (second?.length ?? 0);
    if (bytes === 0) return stream.pendingBytes === 0;
    if (stream.pendingBytes === 0 && bytes <= MAX_FRAME_BYTES && bytes <= stream.sendWindow && this.#canSend(bytes)) {
      this.writer.beginData(stream.id, bytes);
      this.writer.append(first);
      if (second !== undefined) this.writer.append(second);
      this.#count(stream, bytes);
      this.announce();
      return true;
    }
    stream.pendingParts ??= [];
    if (first.length > 0) stream.pendingParts.push(first);
    if (second !== undefined && second.length > 0) stream.pendingParts.push(second);
    stream.pendingBytes += bytes;
    this.#enqueue(stream);
    this.resume();
    stream.isDrainAwaited = stream.pendingBytes > 0;
    return !stream.isDrainAwaited;
  }

  /** @param isCongested - whether the socket accepts no more for now */
  setCongested(isCongested: boolean): void {
    this.#isCongested = isCongested;
    if (!isCongested) this.resume();
  }

  /** Widens the window of the connection. @returns false if it exceeds the largest window (RFC 9113, section 6.9.1) */
  widen(increment: number): boolean {
    this.#window += increment;
    if (this.#window > MAX_UINT31) return false;
    this.resume();
    return true;
  }

  /** Widens the window of a stream. @returns false if it exceeds the largest window */
  widenStream(stream: Http2Stream, increment: number): boolean {
    stream.sendWindow += increment;
    if (stream.sendWindow > MAX_UINT31) return false;
    if (stream.pendingBytes > 0) {
      this.#enqueue(stream);
      this.resume();
    }
    return true;
  }

  /**
   * Discards the pending parts and the callback of a stream that is over. Nothing may refer to it: a peer may close the window of
   * the connection forever, or leave its output unread, and open and reset streams meanwhile.
   */
  forget(stream: Http2Stream): void {
    if (stream.isReady) this.#unlink(stream);
    this.#beforeWrite.delete(stream);
    stream.pendingParts = undefined;
    stream.pendingBytes = 0;
    stream.trailers = undefined;
  }

  /** Sends as much as windows and socket allow. */
  resume(): void {
    // A receiver that is told of its turn may send more.
    if (this.#isSending) return;
    this.#isSending = true;
    for (let stream = this.#firstReady; stream !== undefined && this.#canSend(1); stream = this.#firstReady) {
      this.#unlink(stream);
      this.#sendFrame(stream);
    }
    this.#isSending = false;
  }

  #canSend(bytes: number): boolean {
    return !this.#isCongested && bytes <= this.#window && this.writer.length < this.#options.outputBytes;
  }

  #count(stream: Http2Stream, bytes: number): void {
    stream.sendWindow -= bytes;
    this.#window -= bytes;
    this.#options.credits.earn(CREDITS_PER_FRAME);
  }

  /** Sends one frame of a ready stream. */
  #sendFrame(stream: Http2Stream): void {
    const bytes = Math.min(stream.pendingBytes, MAX_FRAME_BYTES, stream.sendWindow, this.#window);
    if (bytes <= 0) return;
    this.writer.beginData(stream.id, bytes);
    this.#appendPending(stream, bytes);
    this.#count(stream, bytes);
    this.announce();
    if (stream.pendingBytes > 0) {
      this.#enqueue(stream);
      return;
    }
    const { trailers } = stream;
    if (trailers !== undefined) {
      stream.sendTrailers(trailers);
    } else if (stream.isDrainAwaited) {
      stream.isDrainAwaited = false;
      stream.receiver?.onDrain();
    }
  }

  #appendPending(stream: Http2Stream, bytes: number): void {
    const { pendingParts = [] } = stream;
    let left = bytes;
    let taken = 0;
    for (; left > 0; taken += 1) {
      const part = pendingParts[taken] as Buffer;
      const end = Math.min(part.length, stream.sentOfFirst + left);
      this.writer.append(part, stream.sentOfFirst, end);
      left -= end - stream.sentOfFirst;
      stream.sentOfFirst = end;
      if (end < part.length) break;
      stream.sentOfFirst = 0;
    }
    pendingParts.splice(0, taken);
    stream.pendingBytes -= bytes;
  }

  /** Adds a stream with bytes and a window to the ready ones. */
  #enqueue(stream: Http2Stream): void {
    if (stream.isReady || stream.sendWindow <= 0) return;
    stream.isReady = true;
    stream.previousReady = this.#lastReady;
    if (this.#lastReady === undefined) this.#firstReady = stream;
    else this.#lastReady.nextReady = stream;
    this.#lastReady = stream;
  }

  /** Removes a stream from the ready ones. */
  #unlink(stream: Http2Stream): void {
    const { nextReady, previousReady } = stream;
    if (previousReady === undefined) this.#firstReady = nextReady;
    else previousReady.nextReady = nextReady;
    if (nextReady === undefined) this.#lastReady = previousReady;
    else nextReady.previousReady = previousReady;
    stream.previousReady = undefined;
    stream.nextReady = undefined;
    stream.isReady = false;
  }
}
