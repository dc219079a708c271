import type { FloodCredits } from "./flood-credits.js";
import { FrameFlag, MAX_UINT31 } from "./frames/frame-types.js";
import { PRIORITY_BYTES } from "./frames/header-assembly.js";
import { HpackDecoder } from "./hpack/hpack-decoder.js";
import { Http2Code } from "./http2-codes.js";
import { Http2ConnectionError } from "./http2-errors.js";
import type { Http2Limits } from "./http2-limits.js";
import { Http2Stream, type StreamOwner } from "./http2-stream.js";
import { areTrailersValid } from "./request-fields.js";
import { type ReadHead, RequestHeads } from "./request-heads.js";
import type { SendScheduler } from "./send-scheduler.js";
import type { ServerStream } from "./server-stream.js";
import type { StreamReceiver } from "./stream-receiver.js";
import { ResetStreams, StreamTable } from "./stream-table.js";

/** Credits for an answered request. The peer may reset as many others. */
const CREDITS_PER_ANSWER = 2;

export interface RequestStreamsOptions<Head> {
  readonly limits: Http2Limits;
  readonly credits: FloodCredits;
  readonly scheduler: SendScheduler;
  readonly readHead: ReadHead<Head>;
  readonly onStream: (stream: ServerStream, head: Head) => StreamReceiver;
}

/** Streams of a connection: what the peer sends on them, and their end. Source: RFC 9113, section 5.1. */
export class RequestStreams<Head> implements StreamOwner {
  readonly #options: RequestStreamsOptions<Head>;
  readonly #decoder: HpackDecoder;
  readonly #heads: RequestHeads<Head>;
  readonly #open = new StreamTable();
  readonly #reset = new ResetStreams();
  /** Highest stream that the peer has begun. */
  #last = 0;
  /** Highest stream that is answered; those above it are ignored, after GOAWAY. */
  #accepted = MAX_UINT31;
  #isOver = false;
  /** Bytes that the peer may send on the connection. */
  #receiveWindow: number;
  /** Bytes consumed on the connection that the peer has not been told of. */
  #creditBytes = 0;

  constructor(options: RequestStreamsOptions<Head>) {
    this.#options = options;
    const { connectionWindow, fields, listBytes, tableBytes } = options.limits;
    this.#receiveWindow = connectionWindow;
    this.#decoder = new HpackDecoder({ tableBytes, listBytes, fields });
    this.#heads = new RequestHeads(this.#decoder, options.readHead);
  }

  /** Number of open streams. */
  get size(): number {
    return this.#open.size;
  }

  /** Highest stream that the peer has begun. */
  get last(): number {
    return this.#last;
  }

  /** Highest stream that has begun and is not ignored. It never grows after GOAWAY (RFC 9113, section 6.8). */
  get lastAccepted(): number {
    return Math.min(this.#last, this.#accepted);
  }

  /** The peer has acknowledged this server's settings (RFC 9113, section 6.5.3). */
  acknowledgeSettings(): void {
    this.#decoder.acknowledgeSettings();
  }

  /** Ignores the streams that the peer begins from now on. */
  stopAccepting(): void {
    this.#accepted = this.#last;
  }

  /**
   * Checks that a stream may have frames other than HEADERS and PRIORITY.
   * @throws Http2ConnectionError: it is idle (RFC 9113, section 5.1), or no stream of a client
   */
  expectBegun(id: number): void {
    if (id === 0 || id % 2 === 0 || id > this.#last) {
      throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, `frame on idle stream ${id}`);
    }
  }

  /**
   * Receives a complete header block: a request, or the trailers of one.
   * @param dependency - stream that the priority names
   * @throws Http2ConnectionError, HpackError
   */
  onHeaders(
    id: number,
    endStream: boolean,
    dependency: number | undefined,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    // Clients use odd numbers (RFC 9113, section 5.1.1).
    if (id % 2 === 0) throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, `HEADERS on stream ${id}`);
    if (id <= this.#last) {
      this.#onTrailers(id, endStream, bytes.subarray(start, end));
      return;
    }
    this.#last = id;
    const { head, contentLength } = this.#heads.read(bytes, start, end);
    if (id > this.#accepted) return;
    // RFC 9113, section 5.1.2.
    if (this.#open.size >= this.#options.limits.streams) this.fail(id, Http2Code.REFUSED_STREAM);
    // A priority that depends on its own stream is an error by RFC 7540, section 5.3.1.
    else if (head === undefined || dependency === id) this.fail(id, Http2Code.PROTOCOL_ERROR);
    else this.#begin(id, head, contentLength, endStream);
  }

  #begin(id: number, head: Head, contentLength: number | undefined, endStream: boolean): void {
    // RFC 9113, section 8.1.1.
    if (endStream && (contentLength ?? 0) !== 0) {
      this.fail(id, Http2Code.PROTOCOL_ERROR);
      return;
    }
    const { limits, onStream, scheduler } = this.#options;
    const stream = new Http2Stream(id, this, scheduler, limits.streamWindow);
    stream.missingBytes = contentLength;
    // An answer that is given at once needs no reset if the request is complete.
    stream.isRequestComplete = endStream;
    this.#open.add(stream);
    const receiver = onStream(stream, head);
    stream.receiver = receiver;
    if (stream.isOver) receiver.onClose(stream.closeCode);
    else if (endStream) receiver.onEnd();
  }

  #onTrailers(id: number, endStream: boolean, block: Buffer): void {
    const { fields, isTooLarge } = this.#decoder.decode(block);
    const stream = this.#open.get(id);
    if (stream === undefined) {
      if (this.#isIgnored(id)) this.charge(1);
      else throw new Http2ConnectionError(Http2Code.STREAM_CLOSED, `HEADERS on closed stream ${id}`);
    } else if (stream.isRequestComplete) {
      this.fail(id, Http2Code.STREAM_CLOSED);
    } else if (!endStream || isTooLarge || !areTrailersValid(fields)) {
      // RFC 9113, section 8.1.
      this.fail(id, Http2Code.PROTOCOL_ERROR);
    } else {
      this.#completeRequest(stream);
    }
  }

  /** Receives DATA (RFC 9113, section 6.1). @throws Http2ConnectionError */
  onData(id: number, flags: number, bytes: Buffer, start: number, end: number): void {
    this.expectBegun(id);
    const length = end - start;
    let from = start;
    let to = end;
    if ((flags & FrameFlag.PADDED) !== 0) {
      to -= bytes[from] ?? 0;
      from += 1;
      if (length === 0) throw new Http2ConnectionError(Http2Code.FRAME_SIZE_ERROR, "DATA without its padding's length");
      if (from > to) throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "DATA padding");
    }
    // Padding counts towards the windows (RFC 9113, section 6.9.1).
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) throw new Http2ConnectionError(Http2Code.FLOW_CONTROL_ERROR, "connection window");
    const stream = this.#open.get(id);
    if (stream === undefined) {
      this.#widenConnection(length);
      this.#onLateData(id, length);
      return;
    }
    stream.receiveWindow -= length;
    stream.heldBytes += length;
    const body = to - from;
    if (stream.isRequestComplete) this.fail(id, Http2Code.STREAM_CLOSED);
    else if (stream.receiveWindow < 0) this.fail(id, Http2Code.FLOW_CONTROL_ERROR);
    else if (stream.missingBytes !== undefined && body > stream.missingBytes) {
      this.fail(id, Http2Code.PROTOCOL_ERROR);
    } else this.#receiveBody(stream, flags, bytes, from, to, length - body);
  }

  /** @param padding - bytes besides the body */
  #receiveBody(stream: Http2Stream, flags: number, bytes: Buffer, from: number, to: number, padding: number): void {
    const isLast = (flags & FrameFlag.END_STREAM) !== 0;
    if (stream.missingBytes !== undefined) stream.missingBytes -= to - from;
    if (padding > 0) stream.consume(padding);
    stream.isLastPiece = isLast;
    if (to > from) stream.receiver?.onData(bytes.subarray(from, to));
    else if (!isLast) this.charge(1);
    if (isLast && !stream.isOver) this.#completeRequest(stream);
  }

  /** DATA on a closed stream is ignored if this side has reset it, and an error otherwise (RFC 9113, section 5.1). */
  #onLateData(id: number, length: number): void {
    if (!this.#isIgnored(id)) this.fail(id, Http2Code.STREAM_CLOSED);
    // The windows bound what is not empty.
    else if (length === 0) this.charge(1);
  }

  /** Returns whether frames on a stream that is not open are ignored: it was reset, or is newer than GOAWAY allows. */
  #isIgnored(id: number): boolean {
    return id > this.#accepted || this.#reset.has(id);
  }

  #completeRequest(stream: Http2Stream): void {
    if ((stream.missingBytes ?? 0) > 0) {
      // RFC 9113, section 8.1.1.
      this.fail(stream.id, Http2Code.PROTOCOL_ERROR);
      return;
    }
    stream.isRequestComplete = true;
    stream.receiver?.onEnd();
  }

  /** The peer has reset a stream (RFC 9113, section 6.4). @throws Http2ConnectionError */
  onReset(id: number, code: number): void {
    this.expectBegun(id);
    this.charge(1);
    const stream = this.#open.get(id);
    if (stream !== undefined) this.#close(stream, code);
  }

  /** The peer has widened the window of a stream (RFC 9113, section 6.9). @throws Http2ConnectionError */
  onWindowUpdate(id: number, increment: number): void {
    this.expectBegun(id);
    const stream = this.#open.get(id);
    if (stream === undefined) return;
    if (increment === 0) this.fail(id, Http2Code.PROTOCOL_ERROR);
    else if (!this.#options.scheduler.widenStream(stream, increment)) {
      this.fail(id, Http2Code.FLOW_CONTROL_ERROR);
    }
  }

  /**
   * Receives PRIORITY, which RFC 9113 has deprecated: it does not change the order of answers.
   * @throws Http2ConnectionError: invalid, on an idle stream
   */
  onPriority(id: number, bytes: Buffer, start: number, end: number): void {
    let code: number | undefined;
    if (end - start !== PRIORITY_BYTES) code = Http2Code.FRAME_SIZE_ERROR;
    // RFC 7540, section 5.3.1.
    else if ((bytes.readUInt32BE(start) & MAX_UINT31) === id) code = Http2Code.PROTOCOL_ERROR;
    if (code === undefined) return;
    // An idle stream cannot be reset (RFC 9113, section 6.4).
    if (id > this.#last || id % 2 === 0) throw new Http2ConnectionError(code, "PRIORITY");
    this.fail(id, code);
  }

  /** Changes the windows of all streams by a change of their initial one (RFC 9113, section 6.9.2). */
  shiftWindows(difference: number): void {
    if (difference === 0) return;
    for (const stream of this.#open.values()) {
      if (this.#options.scheduler.widenStream(stream, difference)) continue;
      throw new Http2ConnectionError(Http2Code.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE");
    }
  }

  /** Ends all streams because the connection is over. */
  closeAll(code: number): void {
    // Nothing may follow GOAWAY.
    this.#isOver = true;
    for (const stream of this.#open.values()) this.#close(stream, code);
  }

  /** Pays for a frame that brings no work. @throws Http2ConnectionError: there were too many */
  charge(credits: number): void {
    if (this.#options.credits.spend(credits)) return;
    throw new Http2ConnectionError(Http2Code.ENHANCE_YOUR_CALM, "too many frames without work");
  }

  release(stream: Http2Stream, bytes: number): void {
    stream.heldBytes -= bytes;
    this.#widenConnection(bytes);
  }

  widen(stream: Http2Stream, bytes: number): void {
    stream.creditBytes += bytes;
    // The rest of a complete request has arrived.
    if (stream.isRequestComplete || stream.creditBytes < this.#options.limits.streamWindow / 2) return;
    const { scheduler } = this.#options;
    scheduler.writer.writeWindowUpdate(stream.id, stream.creditBytes);
    stream.receiveWindow += stream.creditBytes;
    stream.creditBytes = 0;
    scheduler.announce();
  }

  finish(stream: Http2Stream): void {
    this.#options.credits.earn(CREDITS_PER_ANSWER);
    // Asks the peer not to send the rest of its request (RFC 9113, section 8.1).
    if (!stream.isRequestComplete) this.#writeReset(stream.id, Http2Code.NO_ERROR);
    this.#close(stream, undefined);
  }

  abandon(stream: Http2Stream, code: number): void {
    this.#writeReset(stream.id, code);
    this.#close(stream, code);
  }

  /**
   * Resets a stream for an error of the peer, open or not. A peer can make this side reset as many streams as it likes
   * (CVE-2025-8671), so each one costs credits.
   * @throws Http2ConnectionError: there were too many
   */
  fail(id: number, code: number): void {
    const stream = this.#open.get(id);
    if (stream === undefined) this.#writeReset(id, code);
    else this.abandon(stream, code);
    this.charge(1);
  }

  #writeReset(id: number, code: number): void {
    const { scheduler } = this.#options;
    scheduler.writer.writeReset(id, code);
    this.#reset.add(id);
    scheduler.announce();
  }

  #widenConnection(bytes: number): void {
    this.#creditBytes += bytes;
    const { limits, scheduler } = this.#options;
    if (this.#isOver || this.#creditBytes < limits.connectionWindow / 2) return;
    scheduler.writer.writeWindowUpdate(0, this.#creditBytes);
    this.#receiveWindow += this.#creditBytes;
    this.#creditBytes = 0;
    scheduler.announce();
  }

  #close(stream: Http2Stream, code: number | undefined): void {
    if (stream.isOver) return;
    stream.isOver = true;
    stream.closeCode = code;
    this.#open.remove(stream);
    this.#options.scheduler.forget(stream);
    if (stream.heldBytes > 0) this.#widenConnection(stream.heldBytes);
    stream.receiver?.onClose(code);
  }
}
