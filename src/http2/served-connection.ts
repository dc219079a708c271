import type { Socket } from "node:net";
import { ignore } from "../util/ignore.js";
import { Http2Code } from "./http2-codes.js";
import { Http2Connection } from "./http2-connection.js";
import type { Http2Limits } from "./http2-limits.js";
import type { ReadHead } from "./request-heads.js";
import type { ServerStream } from "./server-stream.js";
import type { StreamReceiver } from "./stream-receiver.js";

/** Milliseconds for which an ended connection waits for its peer to close, and for the answer to the ping that ends requests. */
const LINGER = 1_000;

/** Lowest accepted rate of a peer that reads, in bytes per millisecond. */
const MIN_RATE = 64;

/** Share of its age by which a connection may end earlier or later, so that those of one moment do not all return at once. */
const AGE_JITTER = 0.1;

/** Times of a connection in milliseconds; infinity for none. */
export interface ConnectionTimes {
  /** For the preface with the first settings, and for a header block that has begun. */
  readonly handshake: number;
  /** Without a byte from the peer, after which it is pinged. */
  readonly keepalive: number;
  /** For the answer to the ping. */
  readonly keepaliveTimeout: number;
  /** Without a call, after which the connection ends. */
  readonly idle: number;
  /** After which a connection ends once its calls are answered. */
  readonly maxAge: number;
  /** For which a peer may leave output unread. */
  readonly unread: number;
}

/** Handlers of one connection. */
export interface ServedHandlers<Head> {
  /** See {@link Http2ConnectionOptions.onStream}. */
  readonly onStream: (stream: ServerStream, head: Head) => StreamReceiver;
  /** The peer's preface and settings have arrived. */
  readonly onReady: () => void;
}

export interface ServedConnectionOptions<Head> {
  readonly limits: Http2Limits;
  readonly times: ConnectionTimes;
  readonly readHead: ReadHead<Head>;
  readonly handlers: ServedHandlers<Head>;
  readonly onFault: (cause: unknown) => void;
  /**
   * Output exists, or may be made before the write, that was not made while the connection received. Called once before each
   * {@link ServedConnection.flush}.
   */
  readonly onUnsent: (connection: ServedConnection<Head>) => void;
  readonly onClose: (connection: ServedConnection<Head>) => void;
}

/** A connection with its socket: reads, writes once a turn, and watches its times. */
export class ServedConnection<Head> {
  readonly #socket: Socket;
  readonly #options: ServedConnectionOptions<Head>;
  readonly #connection: Http2Connection<Head>;
  readonly #maxAge: number;
  readonly #opened = performance.now();
  #isReceiving = false;
  #isUnsent = false;
  #isCongested = false;
  #isPaused = false;
  #isEnded = false;
  #hasReceived = false;
  /** Times by `performance.now()`. */
  #lastReceived = this.#opened;
  #pingedAt: number | undefined;
  #headersSince: number | undefined;
  #congestedAt = 0;
  #idleSince = this.#opened;
  #shutDownAt: number | undefined;
  #endedAt: number | undefined;
  #lastStream = 0;

  constructor(socket: Socket, options: ServedConnectionOptions<Head>) {
    this.#socket = socket;
    this.#options = options;
    const { handlers, limits, onFault, readHead, times } = options;
    this.#maxAge = times.maxAge * (1 + (2 * Math.random() - 1) * AGE_JITTER);
    this.#connection = new Http2Connection<Head>({
      limits,
      now: monotonic,
      readHead,
      onStream: handlers.onStream,
      onReady: handlers.onReady,
      onOutput: () => this.#onOutput(),
      onFault,
    });
  }

  /** Begins to read, and sends the settings. */
  start(): void {
    const socket = this.#socket;
    socket.on("error", ignore);
    socket.on("data", (bytes) => this.#onData(bytes));
    socket.on("drain", () => this.#onDrain());
    socket.once("close", () => this.#onClose());
    if (socket.destroyed) this.#onClose();
    else this.flush();
  }

  /** Sends the output, as far as the socket accepts it. */
  flush(): void {
    this.#isUnsent = false;
    const connection = this.#connection;
    const socket = this.#socket;
    while (!this.#isCongested) {
      const output = connection.takeOutput();
      if (output === undefined) break;
      if (!socket.write(output)) this.#setCongested();
    }
    if (connection.isOver && !this.#isCongested) this.#end();
  }

  /** Ends the connection once its calls are answered. */
  shutDown(): void {
    if (this.#shutDownAt !== undefined) return;
    this.#shutDownAt = performance.now();
    this.#connection.shutDown();
    // Nothing can be on its way from a peer that has not spoken HTTP/2 yet.
    if (!this.#connection.isReady) this.#connection.shutDown();
    this.flush();
  }

  /** Ends the connection and its calls. */
  terminate(): void {
    this.#connection.end(Http2Code.CANCEL, "server stopped");
    this.flush();
    this.#socket.destroy();
  }

  /** Checks all times. @param now - by `performance.now()` */
  check(now: number): void {
    const { times } = this.#options;
    const connection = this.#connection;
    if (this.#hasReceived) {
      this.#hasReceived = false;
      this.#lastReceived = now;
      this.#pingedAt = undefined;
    }
    if (this.#endedAt !== undefined) {
      if (now - this.#endedAt >= LINGER) this.#socket.destroy();
    } else if (!connection.isReady) {
      if (now - this.#opened >= times.handshake) this.#socket.destroy();
    } else if (this.#isCongested) {
      const allowed = times.unread + this.#socket.writableLength / MIN_RATE;
      if (now - this.#congestedAt >= allowed) this.#socket.destroy();
    } else {
      this.#checkHeaders(now, times);
      this.#checkPeer(now, times);
      this.#checkAge(now, times);
      this.flush();
    }
  }

  #checkHeaders(now: number, { handshake }: ConnectionTimes): void {
    if (!this.#connection.isWithinHeaders) this.#headersSince = undefined;
    else if (this.#headersSince === undefined) this.#headersSince = now;
    else if (now - this.#headersSince >= handshake) {
      this.#connection.end(Http2Code.ENHANCE_YOUR_CALM, "incomplete header block");
    }
  }

  #checkPeer(now: number, { keepalive, keepaliveTimeout }: ConnectionTimes): void {
    if (this.#pingedAt !== undefined) {
      if (now - this.#pingedAt >= keepaliveTimeout) this.#socket.destroy();
    } else if (now - this.#lastReceived >= keepalive) {
      this.#pingedAt = now;
      this.#connection.ping();
    }
  }

  #checkAge(now: number, { idle }: ConnectionTimes): void {
    const connection = this.#connection;
    if (this.#shutDownAt !== undefined) {
      // The peer has not answered the ping.
      if (now - this.#shutDownAt >= LINGER) connection.shutDown();
      return;
    }
    if (connection.openStreams > 0 || connection.lastStream !== this.#lastStream) {
      this.#lastStream = connection.lastStream;
      this.#idleSince = now;
    }
    if (now - this.#idleSince >= idle || now - this.#opened >= this.#maxAge) this.shutDown();
  }

  #onData(bytes: Buffer): void {
    this.#hasReceived = true;
    this.#isReceiving = true;
    this.#connection.receive(bytes);
    this.#isReceiving = false;
    this.flush();
    this.#pauseIfUnread();
  }

  /** Stops reading from a peer that does not read the answers to what it sends, such as pings. */
  #pauseIfUnread(): void {
    const { outputBytes } = this.#options.limits;
    if (!this.#isCongested || this.#isPaused || this.#connection.outputBytes < outputBytes) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  #onOutput(): void {
    if (this.#isReceiving || this.#isUnsent) return;
    this.#isUnsent = true;
    this.#options.onUnsent(this);
  }

  #setCongested(): void {
    this.#isCongested = true;
    this.#congestedAt = performance.now();
    this.#connection.setCongested(true);
  }

  #onDrain(): void {
    this.#isCongested = false;
    this.#connection.setCongested(false);
    this.flush();
    if (!this.#isPaused || this.#isCongested) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  /** Closes this side, and leaves the peer the time to read GOAWAY. */
  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#endedAt = performance.now();
    this.#socket.end();
    this.#socket.resume();
  }

  #onClose(): void {
    this.#connection.lose();
    this.#options.onClose(this);
  }
}

function monotonic(): number {
  return performance.now();
}
