import { FloodCredits } from "./flood-credits.js";
import { ClientPreface } from "./frames/client-preface.js";
import { type FrameHandler, FrameSplitter } from "./frames/frame-splitter.js";
import { DEFAULT_WINDOW, FrameFlag, FrameType, MAX_UINT31 } from "./frames/frame-types.js";
import { findHeaderBlock, HeaderAssembly } from "./frames/header-assembly.js";
import { PeerSettings, SettingId } from "./frames/peer-settings.js";
import { HpackError } from "./hpack/hpack-error.js";
import { Http2Code } from "./http2-codes.js";
import { Http2ConnectionError } from "./http2-errors.js";
import type { Http2Limits } from "./http2-limits.js";
import type { ReadHead } from "./request-heads.js";
import { RequestStreams } from "./request-streams.js";
import { SendScheduler } from "./send-scheduler.js";
import type { ServerStream } from "./server-stream.js";
import type { StreamReceiver } from "./stream-receiver.js";

/** Data of the ping whose answer shows that the peer has read the first GOAWAY. */
const SHUTDOWN_PING = Buffer.from("shutdown", "latin1");
const KEEPALIVE_PING = Buffer.alloc(8);

export interface Http2ConnectionOptions<Head> {
  readonly limits: Http2Limits;
  /** Monotonic time in milliseconds. */
  readonly now: () => number;
  /** Reads the fields of a request, pseudo-header fields first. The results are cached by the bytes of the header block. */
  readonly readHead: ReadHead<Head>;
  /** A request has begun. @returns the receiver of the rest */
  readonly onStream: (stream: ServerStream, head: Head) => StreamReceiver;
  /** The peer's preface and settings have arrived. Called once. */
  readonly onReady?: () => void;
  /** Output exists, or may be made before the write; called for each frame. */
  readonly onOutput?: () => void;
  /** Receives errors of this server. They end the connection. */
  readonly onFault?: (cause: unknown) => void;
}

/**
 * The server's side of an HTTP/2 connection, without its socket: bytes in, calls and bytes out. Source: RFC 9113. It neither
 * pushes nor sends by priorities.
 */
export class Http2Connection<Head> implements FrameHandler {
  readonly #options: Http2ConnectionOptions<Head>;
  readonly #credits: FloodCredits;
  readonly #scheduler: SendScheduler;
  readonly #streams: RequestStreams<Head>;
  readonly #preface = new ClientPreface();
  readonly #splitter = new FrameSplitter();
  readonly #peer = new PeerSettings();
  #isReady = false;
  #assembly: HeaderAssembly | undefined;
  /** Received bytes that wait until the output has been taken. */
  #unread: Buffer | undefined;
  #isShuttingDown = false;
  #isDraining = false;
  #isOver = false;

  constructor(options: Http2ConnectionOptions<Head>) {
    this.#options = options;
    const { limits, now, onOutput = () => {} } = options;
    this.#credits = new FloodCredits(limits.credits, limits.creditsPerSecond, now);
    this.#scheduler = new SendScheduler({ outputBytes: limits.outputBytes, credits: this.#credits, onOutput });
    this.#streams = new RequestStreams({
      limits,
      credits: this.#credits,
      scheduler: this.#scheduler,
      readHead: options.readHead,
      onStream: options.onStream,
    });
    const { writer } = this.#scheduler;
    writer.writeSettings([
      [SettingId.HEADER_TABLE_SIZE, limits.tableBytes],
      [SettingId.MAX_CONCURRENT_STREAMS, limits.streams],
      [SettingId.INITIAL_WINDOW_SIZE, limits.streamWindow],
      [SettingId.MAX_HEADER_LIST_SIZE, limits.listBytes],
    ]);
    if (limits.connectionWindow > DEFAULT_WINDOW) {
      writer.writeWindowUpdate(0, limits.connectionWindow - DEFAULT_WINDOW);
    }
  }

  /** Number of open streams. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Whether the peer's preface and settings have arrived. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether nothing follows but the output that is left: GOAWAY was sent, and no stream is open. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Highest stream that the peer has begun. */
  get lastStream(): number {
    return this.#streams.last;
  }

  /** Whether a further frame is read now, rather than ignored or once the output has been taken. */
  get isReceptive(): boolean {
    return !this.#isOver && this.outputBytes < this.#options.limits.outputBytes;
  }

  /** Whether a header block has begun and is incomplete. */
  get isWithinHeaders(): boolean {
    return this.#assembly !== undefined;
  }

  /** Number of bytes that {@link takeOutput} returns, without those that streams add before the write. */
  get outputBytes(): number {
    return this.#scheduler.writer.length;
  }

  /**
   * Receives bytes from the peer. Never throws: an error ends the connection. A few bytes may have a large answer, so frames
   * wait while the output is above its limit; {@link takeOutput} continues with them.
   */
  receive(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#unread = this.#unread === undefined ? bytes : Buffer.concat([this.#unread, bytes]);
    this.#readFrames();
    this.#endIfDrained();
  }

  /** Returns the bytes to send, and begins anew; undefined if there are none. The caller takes it until then. */
  takeOutput(): Buffer | undefined {
    const output = this.#scheduler.take();
    // Bodies, and received bytes, may have waited for room in the output.
    this.#scheduler.resume();
    this.#readFrames();
    this.#endIfDrained();
    return output;
  }

  /** @param isCongested - whether the socket accepts no more for now. Bodies of answers wait until it does */
  setCongested(isCongested: boolean): void {
    this.#scheduler.setCongested(isCongested);
  }

  /** Sends a ping, whose answer shows that the peer is alive. */
  ping(): void {
    this.#scheduler.writer.writePing(KEEPALIVE_PING, 0, false);
    this.#scheduler.announce();
  }

  /**
   * Ends the connection without losing requests on their way (RFC 9113, section 6.8): asks the peer to begin no more, and ignores
   * further ones once it has read that, or at the second call.
   */
  shutDown(): void {
    if (this.#isDraining || this.#isOver) return;
    const { writer } = this.#scheduler;
    if (this.#isShuttingDown) {
      this.#isDraining = true;
      this.#streams.stopAccepting();
      writer.writeGoaway(this.#streams.lastAccepted, Http2Code.NO_ERROR, "");
    } else {
      this.#isShuttingDown = true;
      writer.writeGoaway(MAX_UINT31, Http2Code.NO_ERROR, "");
      writer.writePing(SHUTDOWN_PING, 0, false);
    }
    this.#scheduler.announce();
    this.#endIfDrained();
  }

  /**
   * Ends the connection and all its streams at once.
   * @param code - of {@link Http2Code}
   * @param debug - ASCII text for the peer
   */
  end(code: number, debug = ""): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#unread = undefined;
    this.#scheduler.writer.writeGoaway(this.#streams.lastAccepted, code, debug);
    this.#scheduler.announce();
    this.#streams.closeAll(code);
  }

  /** The connection was lost. Ends all streams. */
  lose(): void {
    this.#isOver = true;
    this.#unread = undefined;
    // Receivers may still send.
    this.#scheduler.setCongested(true);
    this.#streams.closeAll(Http2Code.CANCEL);
  }

  /** Source: RFC 9113, section 6. */
  onFrame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    // RFC 9113, section 3.4.
    if (!this.#isReady && (type !== FrameType.SETTINGS || (flags & FrameFlag.ACK) !== 0)) {
      throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "the first frame is not SETTINGS");
    }
    // RFC 9113, section 6.10.
    if (this.#assembly !== undefined && (type !== FrameType.CONTINUATION || id !== this.#assembly.stream)) {
      throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "frame within a header block");
    }
    switch (type) {
      case FrameType.DATA:
        this.#streams.onData(id, flags, bytes, start, end);
        break;
      case FrameType.HEADERS:
        this.#onHeaders(flags, id, bytes, start, end);
        break;
      case FrameType.PRIORITY:
        this.#onPriority(id, bytes, start, end);
        break;
      case FrameType.RST_STREAM:
        expectSize(end - start, 4);
        this.#streams.onReset(id, bytes.readUInt32BE(start));
        break;
      case FrameType.SETTINGS:
        this.#onSettings(flags, id, bytes, start, end);
        break;
      case FrameType.PING:
        this.#onPing(flags, id, bytes, start, end);
        break;
      case FrameType.GOAWAY:
        expectConnection(id);
        if (end - start < 8) throw new Http2ConnectionError(Http2Code.FRAME_SIZE_ERROR, "GOAWAY size");
        this.#streams.charge(1);
        break;
      case FrameType.WINDOW_UPDATE:
        this.#onWindowUpdate(id, bytes, start, end);
        break;
      case FrameType.CONTINUATION:
        this.#onContinuation(flags, bytes, start, end);
        break;
      case FrameType.PUSH_PROMISE:
        // RFC 9113, section 8.4.
        throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "PUSH_PROMISE from a client");
      default:
        // Unknown types are ignored (RFC 9113, section 5.5).
        this.#streams.charge(1);
    }
  }

  /** Reads the received bytes, as far as there is room in the output. */
  #readFrames(): void {
    const bytes = this.#unread;
    if (bytes === undefined || !this.isReceptive) return;
    this.#unread = undefined;
    try {
      const frames = this.#preface.skip(bytes);
      const taken = this.#splitter.read(frames, this);
      if (taken < frames.length && !this.#isOver) this.#unread = frames.subarray(taken);
    } catch (cause) {
      if (cause instanceof Http2ConnectionError) this.end(cause.code, cause.message);
      else if (cause instanceof HpackError) this.end(Http2Code.COMPRESSION_ERROR, cause.message);
      else {
        this.end(Http2Code.INTERNAL_ERROR);
        this.#options.onFault?.(cause);
      }
    }
  }

  #onHeaders(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "HEADERS on stream 0");
    const endStream = (flags & FrameFlag.END_STREAM) !== 0;
    const block = findHeaderBlock(flags, bytes, start, end);
    if ((flags & FrameFlag.END_HEADERS) !== 0) {
      this.#streams.onHeaders(id, endStream, block.dependency, bytes, block.start, block.end);
      return;
    }
    const { blockBytes } = this.#options.limits;
    this.#assembly = new HeaderAssembly(id, endStream, block.dependency, blockBytes);
    this.#assembly.append(bytes, block.start, block.end);
  }

  #onContinuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const assembly = this.#assembly;
    if (assembly === undefined)
      throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "CONTINUATION without HEADERS");
    this.#streams.charge(1);
    assembly.append(bytes, start, end);
    if ((flags & FrameFlag.END_HEADERS) === 0) return;
    this.#assembly = undefined;
    const { block, dependency, endStream, stream } = assembly;
    this.#streams.onHeaders(stream, endStream, dependency, block, 0, block.length);
  }

  #onPriority(id: number, bytes: Buffer, start: number, end: number): void {
    if (id === 0) throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "PRIORITY on stream 0");
    this.#streams.charge(1);
    this.#streams.onPriority(id, bytes, start, end);
  }

  #onSettings(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    expectConnection(id);
    this.#streams.charge(1);
    if ((flags & FrameFlag.ACK) !== 0) {
      expectSize(end - start, 0);
      this.#streams.acknowledgeSettings();
      return;
    }
    const before = this.#peer.initialWindow;
    this.#peer.read(bytes, start, end);
    this.#scheduler.initialWindow = this.#peer.initialWindow;
    this.#scheduler.writer.writeSettingsAck();
    this.#scheduler.announce();
    this.#streams.shiftWindows(this.#peer.initialWindow - before);
    if (this.#isReady) return;
    this.#isReady = true;
    this.#options.onReady?.();
  }

  #onPing(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    expectConnection(id);
    expectSize(end - start, 8);
    this.#streams.charge(1);
    if ((flags & FrameFlag.ACK) === 0) {
      this.#scheduler.writer.writePing(bytes, start, true);
      this.#scheduler.announce();
    } else if (this.#isShuttingDown && bytes.compare(SHUTDOWN_PING, 0, 8, start, end) === 0) {
      this.shutDown();
    }
  }

  #onWindowUpdate(id: number, bytes: Buffer, start: number, end: number): void {
    expectSize(end - start, 4);
    this.#streams.charge(1);
    const increment = bytes.readUInt32BE(start) & MAX_UINT31;
    if (id !== 0) this.#streams.onWindowUpdate(id, increment);
    else if (increment === 0) throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
    else if (!this.#scheduler.widen(increment)) {
      throw new Http2ConnectionError(Http2Code.FLOW_CONTROL_ERROR, "connection window");
    }
  }

  #endIfDrained(): void {
    if (this.#isDraining && this.#streams.size === 0) this.#isOver = true;
  }
}

/** @throws Http2ConnectionError: the payload has another size (RFC 9113, section 4.2) */
function expectSize(bytes: number, expected: number): void {
  if (bytes !== expected) throw new Http2ConnectionError(Http2Code.FRAME_SIZE_ERROR, `${bytes} bytes`);
}

/** @throws Http2ConnectionError: SETTINGS, PING or GOAWAY of a stream (RFC 9113, sections 6.5, 6.7 and 6.8) */
function expectConnection(id: number): void {
  if (id !== 0) throw new Http2ConnectionError(Http2Code.PROTOCOL_ERROR, `frame on stream ${id}`);
}
