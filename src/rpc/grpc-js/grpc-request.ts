import type { ServerHttp2Stream } from "node:http2";
import type { ByteLease } from "../../net/byte-budget.js";
import type { LinkedEntry } from "../../util/linked-list.js";
import {
  type FramedMessage,
  type FrameRules,
  findPrefix,
  inflateMessage,
  MessageFramer,
  PREFIX_BYTES,
} from "../grpc/message-framer.js";
import type { OverdueRequests, WatchedRequest } from "../grpc/overdue-requests.js";
import type { UnreadCalls, UnreadEntry } from "../grpc/unread-calls.js";
import type { InflatedEncoding } from "../inflate.js";

/**
 * Bytes of messages that a streaming method has not taken yet, above which no further message is read. One message is always
 * allowed.
 */
const MAX_UNTAKEN = 65_536;

/** Bounds on the requests of a method. */
export interface MethodRules extends FrameRules {
  readonly compression: boolean;
  /** Whether the method calls {@link GrpcRequest.taken} for each message of a stream. */
  readonly acknowledged: boolean;
}

/** Services that all requests of a port share. */
export interface GrpcRequestHost {
  readonly overdue: OverdueRequests;
  readonly unread: UnreadCalls;
  /** Opens the lease for the bytes that a request holds. @param key - identifies the caller; undefined: anonymous */
  readonly openLease: (stream: ServerHttp2Stream, key: string | undefined) => ByteLease;
}

export interface GrpcRequestOptions {
  readonly rules: MethodRules;
  /** Compression of the messages that are marked as compressed. */
  readonly encoding: InflatedEncoding | undefined;
  readonly host: GrpcRequestHost;
}

type Listener = (...values: unknown[]) => void;

/** The library's listeners on the stream. */
interface Library {
  readonly onData: (bytes: Uint8Array) => void;
  readonly onEnd: () => void;
}

/**
 * Reads the messages of one call in place of @grpc/grpc-js, which would inflate and buffer them without limits. It passes a
 * message to the library, uncompressed, whenever the method reads one, and finally the end of the request. Everything held
 * until then counts towards the budget.
 */
export class GrpcRequest implements WatchedRequest {
  readonly #stream: ServerHttp2Stream;
  readonly #rules: MethodRules;
  readonly #host: GrpcRequestHost;
  /** Number of listeners that are not the library's. */
  readonly #listeners: number;
  readonly #overdue: LinkedEntry<WatchedRequest>;
  #unread: UnreadEntry | undefined;
  readonly #messages: MessageFramer;
  #library: Library | undefined;
  #refuse: ((cause: unknown) => void) | undefined;
  #lease: ByteLease | undefined;
  #key: string | undefined;
  /** Bytes of each message passed to the library and not taken by the method. */
  readonly #untaken: number[] = [];
  #untakenBytes = 0;
  #incompleteSince: number | undefined;
  #readRequested = false;
  #inflating = false;
  #over = false;

  /** @param stream - must not have been read */
  constructor(stream: ServerHttp2Stream, { encoding, host, rules }: GrpcRequestOptions) {
    this.#stream = stream;
    this.#rules = rules;
    this.#messages = new MessageFramer(rules, encoding, true);
    this.#host = host;
    this.#listeners = countListeners(stream);
    this.#overdue = host.overdue.add(this);
  }

  get incompleteSince(): number | undefined {
    return this.#incompleteSince;
  }

  /** Sets the interceptor's callback that ends the call with an error. */
  attach(refuse: (cause: unknown) => void): void {
    this.#refuse = refuse;
  }

  /** Replaces the library's listeners, once it has added them to the stream. */
  takeOver(): void {
    const stream = this.#stream;
    // Node's own listeners were added earlier.
    const onData = stream.listeners("data").at(-1);
    const onEnd = stream.listeners("end").at(-1);
    if (onData === undefined || onEnd === undefined || countListeners(stream) !== this.#listeners + 2) {
      throw new Error("@grpc/grpc-js does not read its streams with one listener for each event");
    }
    stream.off("data", onData as Listener).off("end", onEnd as Listener);
    this.#library = {
      onData: (bytes) => Reflect.apply(onData, stream, [bytes]),
      onEnd: () => Reflect.apply(onEnd, stream, []),
    };
    stream.on("data", this.#onData);
    stream.once("end", this.#onEnd);
    stream.once("close", this.#onClose);
    this.#pump();
  }

  /** Sets the caller. @param key - undefined: anonymous */
  admit(key: string | undefined): void {
    this.#key = key;
  }

  /** Passes the next message or the end to the library as soon as it has arrived. */
  read(): void {
    this.#readRequested = true;
    if (this.#rules.streaming && !this.#rules.acknowledged) this.#takeAll();
    if (this.#library !== undefined) this.#pump();
  }

  /** Acknowledges that the method has taken the oldest message. */
  taken(): void {
    const bytes = this.#untaken.shift() ?? 0;
    this.#untakenBytes -= bytes;
    this.#lease?.give(bytes);
    this.#pump();
  }

  #takeAll(): void {
    this.#untaken.length = 0;
    this.#lease?.give(this.#untakenBytes);
    this.#untakenBytes = 0;
  }

  /** Ends the reading because the call is over. Anything that still arrives is discarded. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#host.overdue.remove(this.#overdue);
    this.#messages.clear();
    this.#lease?.release();
  }

  /** Begins to watch whether the peer reads its answer. */
  watchAnswer(): void {
    if (this.#unread === undefined && !this.#stream.destroyed) this.#unread = this.#host.unread.add(this.#stream);
  }

  /** Ends the call with an error. */
  refuse(cause: unknown): void {
    if (this.#over) return;
    this.stop();
    this.#refuse?.(cause);
    this.watchAnswer();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#over) return;
    this.#lease ??= this.#host.openLease(this.#stream, this.#key);
    try {
      this.#lease.take(chunk.length);
    } catch (cause) {
      this.refuse(cause);
      return;
    }
    this.#messages.push(chunk);
    this.#pump();
  };

  readonly #onEnd = (): void => {
    // A reset stream also emits "end".
    if (this.#stream.closed) this.stop();
    this.#messages.finish();
    this.#pump();
  };

  readonly #onClose = (): void => {
    this.stop();
    if (this.#unread !== undefined) this.#host.unread.remove(this.#unread);
  };

  /** Passes the message that the library is waiting for. Resumes the stream only if that message has not arrived. */
  #pump(): void {
    if (this.#over || this.#library === undefined) return;
    const { streaming } = this.#rules;
    let isShort = false;
    try {
      while (this.#readRequested && !this.#inflating && !this.#isFull()) {
        isShort = !this.#giveNext(this.#library);
        if (isShort) break;
      }
    } catch (cause) {
      this.refuse(cause);
      return;
    }
    if (isShort) this.#stream.resume();
    // A request with a single message needs no pause after it.
    else if (streaming) this.#stream.pause();
    if (!isShort || (streaming && this.#messages.bytes === 0)) this.#incompleteSince = undefined;
    else this.#incompleteSince ??= performance.now();
  }

  #isFull(): boolean {
    const { acknowledged, streaming } = this.#rules;
    return streaming && acknowledged && this.#untakenBytes > MAX_UNTAKEN;
  }

  /** @returns false if the message has not arrived yet. @throws CarillonError */
  #giveNext(library: Library): boolean {
    const message = this.#messages.next();
    if (message === "short") return false;
    if (message === "end") this.#giveEnd(library);
    else this.#giveMessage(library, message);
    return true;
  }

  #giveMessage(library: Library, { chunks, encoding, length }: FramedMessage): void {
    if (encoding !== undefined) {
      void this.#inflate(library, encoding, chunks, length);
      return;
    }
    this.#readRequested = false;
    this.#hold(length);
    this.#lease?.give(PREFIX_BYTES);
    for (const chunk of chunks) library.onData(chunk);
  }

  async #inflate(
    library: Library,
    encoding: InflatedEncoding,
    chunks: readonly Buffer[],
    length: number,
  ): Promise<void> {
    const { limit } = this.#rules;
    const lease = this.#lease ?? this.#host.openLease(this.#stream, this.#key);
    this.#inflating = true;
    try {
      const message = await inflateMessage(encoding, chunks, { limit, lease });
      if (this.#over) return;
      lease.give(PREFIX_BYTES + length);
      this.#readRequested = false;
      this.#inflating = false;
      this.#hold(message.length);
      library.onData(findPrefix(message.length));
      if (message.length > 0) library.onData(message);
      this.#pump();
    } catch (cause) {
      this.refuse(cause);
    }
  }

  #hold(bytes: number): void {
    this.#untaken.push(bytes);
    this.#untakenBytes += bytes;
  }

  #giveEnd(library: Library): void {
    this.#readRequested = false;
    library.onEnd();
    // A streaming method may still have to take messages; any other method has its complete request.
    if (!this.#rules.streaming) this.stop();
  }
}

function countListeners(stream: ServerHttp2Stream): number {
  return stream.listenerCount("data") + stream.listenerCount("end");
}
