import type { ServerHttp2Stream } from "node:http2";
import { CarillonError } from "../../errors.js";
import type { ByteLease } from "../../net/byte-budget.js";
import type { LinkedEntry } from "../../util/linked-list.js";
import { type InflatedEncoding, inflate } from "../inflate.js";
import { ChunkQueue } from "./chunk-queue.js";
import type { OverdueRequests } from "./overdue-requests.js";
import type { UnreadCalls, UnreadEntry } from "./unread-calls.js";

/** A byte of flags and the length come before each message. */
const PREFIX_BYTES = 5;
const COMPRESSED = 1;

/** Messages of a stream that its method has not taken yet, in bytes; one message always may wait. */
const MOST_UNTAKEN = 65_536;

/** Bounds on the requests of a method. */
export interface MethodRules {
  /** Most bytes of a message, as sent and as inflated. */
  readonly limit: number;
  readonly compression: boolean;
  /** Whether the request is a stream of messages. Any other is exactly one. */
  readonly streaming: boolean;
  /** Whether the method calls {@link GrpcRequest.taken} for each message of a stream. */
  readonly acknowledged: boolean;
}

/** Services that all requests of a port share. */
export interface GrpcRequestHost {
  readonly overdue: OverdueRequests;
  readonly unread: UnreadCalls;
  /** Opens the lease for the bytes that a request holds. @param key - of the caller; undefined: it needs none */
  readonly openLease: (stream: ServerHttp2Stream, key: string | undefined) => ByteLease;
}

export interface GrpcRequestOptions {
  readonly rules: MethodRules;
  /** Compression of the messages that are marked as compressed. */
  readonly encoding: InflatedEncoding | undefined;
  readonly host: GrpcRequestHost;
}

type Listener = (...values: unknown[]) => void;

/** Events of the stream that the library listens to. */
interface Library {
  readonly onData: (bytes: Uint8Array) => void;
  readonly onEnd: () => void;
}

/**
 * Reads the messages of one call before @grpc/grpc-js does, which would inflate and keep them without bounds. It is given
 * each message when the method wants one, uncompressed, and the end of the request. Everything that is held until then
 * counts against the budget.
 */
export class GrpcRequest {
  readonly #stream: ServerHttp2Stream;
  readonly #rules: MethodRules;
  readonly #encoding: InflatedEncoding | undefined;
  readonly #host: GrpcRequestHost;
  /** Listeners that are not the library's. */
  readonly #listeners: number;
  readonly #overdue: LinkedEntry<GrpcRequest>;
  #unread: UnreadEntry | undefined;
  readonly #chunks = new ChunkQueue();
  #library: Library | undefined;
  #refuse: ((cause: unknown) => void) | undefined;
  #lease: ByteLease | undefined;
  #key: string | undefined;
  /** Bytes of each message that was given and not taken yet. */
  readonly #untaken: number[] = [];
  #untakenBytes = 0;
  #messages = 0;
  #incompleteSince: number | undefined;
  #wanted = false;
  #inflating = false;
  #ended = false;
  #over = false;

  /** @param stream - that nobody reads yet */
  constructor(stream: ServerHttp2Stream, { encoding, host, rules }: GrpcRequestOptions) {
    this.#stream = stream;
    this.#rules = rules;
    this.#encoding = encoding;
    this.#host = host;
    this.#listeners = countListeners(stream);
    this.#overdue = host.overdue.add(this);
  }

  /**
   * Since when the rest of the request, or of a message of a stream, is waited for, by `performance.now()`; undefined while
   * it is not.
   */
  get incompleteSince(): number | undefined {
    return this.#incompleteSince;
  }

  /** Callback of the interceptor, told the error that the request is refused with. */
  attach(refuse: (cause: unknown) => void): void {
    this.#refuse = refuse;
  }

  /** Takes the place of the library's listeners, when it has put them on the stream. */
  takeOver(): void {
    const stream = this.#stream;
    // Node has listeners of its own, which were there before.
    const onData = stream.listeners("data").at(-1);
    const onEnd = stream.listeners("end").at(-1);
    if (onData === undefined || onEnd === undefined || countListeners(stream) !== this.#listeners + 2) {
      throw new Error("@grpc/grpc-js does not read its streams by one listener for each event");
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

  /** The caller is known. @param key - undefined: it needs none */
  admit(key: string | undefined): void {
    this.#key = key;
  }

  /** The method wants the next message, or the end. */
  read(): void {
    this.#wanted = true;
    if (this.#rules.streaming && !this.#rules.acknowledged) this.#takeAll();
    if (this.#library !== undefined) this.#pump();
  }

  /** The method has taken the oldest of the messages that it was given. */
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

  /** The call is over: what comes is dropped. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#host.overdue.remove(this.#overdue);
    this.#chunks.clear();
    this.#lease?.release();
  }

  /** A message of the answer, or its status, is being sent. */
  sending(): void {
    if (this.#unread === undefined && !this.#stream.destroyed) this.#unread = this.#host.unread.add(this.#stream);
  }

  /** Ends the call with an error. */
  refuse(cause: unknown): void {
    if (this.#over) return;
    this.stop();
    this.#refuse?.(cause);
    this.sending();
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
    this.#chunks.push(chunk);
    this.#pump();
  };

  readonly #onEnd = (): void => {
    // A stream that was reset ends too.
    if (this.#stream.closed) this.stop();
    this.#ended = true;
    this.#pump();
  };

  readonly #onClose = (): void => {
    this.stop();
    if (this.#unread !== undefined) this.#host.unread.remove(this.#unread);
  };

  /** Gives the library what it wants, if that is there. Reads on only where it is not. */
  #pump(): void {
    if (this.#over || this.#library === undefined) return;
    const { streaming } = this.#rules;
    let isShort = false;
    try {
      while (this.#wanted && !this.#inflating && !this.#isFull()) {
        isShort = !this.#giveNext(this.#library);
        if (isShort) break;
      }
    } catch (cause) {
      this.refuse(cause);
      return;
    }
    if (isShort) this.#stream.resume();
    // After its only message, a request just ends.
    else if (streaming) this.#stream.pause();
    if (!isShort || (streaming && this.#chunks.bytes === 0)) this.#incompleteSince = undefined;
    else this.#incompleteSince ??= performance.now();
  }

  #isFull(): boolean {
    const { acknowledged, streaming } = this.#rules;
    return streaming && acknowledged && this.#untakenBytes > MOST_UNTAKEN;
  }

  /** @returns false where it has not come yet. @throws CarillonError */
  #giveNext(library: Library): boolean {
    const { limit, streaming } = this.#rules;
    if (!streaming && this.#messages === 1 && this.#chunks.bytes > 0) throw malformed("it is more than one message");
    if (this.#ended && this.#chunks.bytes === 0) {
      this.#giveEnd(library);
      return true;
    }
    const prefix = this.#chunks.peek(PREFIX_BYTES);
    const length = prefix?.readUInt32BE(1);
    if (length !== undefined && length > limit) throw tooLarge(limit);
    if (prefix === undefined || length === undefined || this.#chunks.bytes < PREFIX_BYTES + length) {
      if (this.#ended) throw malformed("it is cut off");
      return false;
    }
    this.#giveMessage(library, prefix.readUInt8(0), length);
    return true;
  }

  #giveMessage(library: Library, flags: number, length: number): void {
    const encoding = this.#encoding;
    if (flags > COMPRESSED) throw malformed(`it has unknown flags (${flags})`);
    this.#messages += 1;
    if (flags === 0 || length === 0) {
      this.#wanted = false;
      this.#hold(length);
      this.#lease?.give(PREFIX_BYTES);
      if (flags === 0) for (const chunk of this.#chunks.shift(PREFIX_BYTES + length)) library.onData(chunk);
      else {
        this.#chunks.shift(PREFIX_BYTES);
        library.onData(prefixOf(0));
      }
      return;
    }
    if (encoding === undefined) throw malformed("it is compressed, and grpc-encoding does not say how");
    this.#chunks.shift(PREFIX_BYTES);
    const data = Buffer.concat(this.#chunks.shift(length));
    void this.#inflate(library, encoding, data);
  }

  async #inflate(library: Library, encoding: InflatedEncoding, data: Uint8Array): Promise<void> {
    const { limit } = this.#rules;
    const lease = this.#lease ?? this.#host.openLease(this.#stream, this.#key);
    this.#inflating = true;
    try {
      const message = await inflate(encoding, data, { limit, lease });
      if (this.#over) return;
      if (message === "too large") throw tooLarge(limit);
      if (message === "malformed") throw malformed("it cannot be decompressed");
      lease.give(PREFIX_BYTES + data.length);
      this.#wanted = false;
      this.#inflating = false;
      this.#hold(message.length);
      library.onData(prefixOf(message.length));
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
    if (!this.#rules.streaming && this.#messages === 0) throw malformed("there is no message");
    this.#wanted = false;
    library.onEnd();
    // Messages of a stream may still wait for its method; any other method has its request now.
    if (!this.#rules.streaming) this.stop();
  }
}

function countListeners(stream: ServerHttp2Stream): number {
  return stream.listenerCount("data") + stream.listenerCount("end");
}

function prefixOf(length: number): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(length, 1);
  return prefix;
}

function malformed(reason: string): CarillonError {
  return new CarillonError("invalid_argument", `the request cannot be decoded: ${reason}`);
}

function tooLarge(limit: number): CarillonError {
  return new CarillonError("resource_exhausted", `the request is larger than ${limit} bytes`, {
    retryDelay: Number.POSITIVE_INFINITY,
  });
}
