import {
  type FramedMessage,
  findWholeMessage,
  inflateMessage,
  MessageFramer,
  PREFIX_BYTES,
} from "../grpc/message-framer.js";
import type { InflatedEncoding } from "../inflate.js";
import type { GrpcHttp2Call } from "./grpc-http2-call.js";
import { joinChunks, keepChunk } from "./join-chunks.js";

type Result = IteratorResult<object, undefined>;

const DONE: Result = { done: true, value: undefined };

/** Method that waits for the next request. */
interface Reader {
  resolve(result: Result | Promise<Result>): void;
  reject(cause: unknown): void;
}

/** Takes the requests of a stream as they arrive. Its methods never throw. */
export interface RequestConsumer {
  /** Whether the next request is taken now; otherwise {@link RequestQueue.resume} follows. */
  readonly isReady: boolean;
  take(request: object): void;
  /** No further request follows. @param cause - undefined: the caller has ended the stream */
  finish(cause: unknown): void;
}

/**
 * Requests of a stream. They are decoded as the method takes them; until then, their bytes count towards the budget and the
 * window of the stream, so that the peer sends no more than fits. A message larger than the window is received once the method
 * waits for it.
 */
export class RequestQueue implements AsyncIterableIterator<object, undefined> {
  readonly #call: GrpcHttp2Call;
  readonly #framer: MessageFramer;
  #reader: Reader | undefined;
  #consumer: RequestConsumer | undefined;
  #isFeeding = false;
  #isInflating = false;
  #failure: unknown;
  #isDiscarding = false;
  /** Bytes in the framer that no longer count towards the window. */
  #widened = 0;

  constructor(call: GrpcHttp2Call) {
    this.#call = call;
    this.#framer = new MessageFramer(call.method, call.head.encoding);
  }

  /** @throws CarillonError resource_exhausted: the budget cannot take the bytes */
  push(chunk: Buffer): void {
    if (this.#isDiscarding) return;
    const taken = this.#consumer === undefined || this.#framer.bytes > 0 ? 0 : this.#feedWhole(chunk);
    if (taken === chunk.length) return;
    this.#call.lease.take(chunk.length - taken);
    this.#framer.push(keepChunk(taken === 0 ? chunk : chunk.subarray(taken)));
    this.#serve();
  }

  /** Marks the end of the stream. */
  finish(): void {
    this.#framer.finish();
    this.#serve();
  }

  /** Discards the requests, and rejects further reads. */
  fail(reason: unknown): void {
    this.#failure ??= reason;
    this.discard();
    this.#reader?.reject(this.#failure);
    this.#reader = undefined;
    this.#finishFeeding(this.#failure);
  }

  /** Passes the requests to a consumer as they arrive, instead of to an iterator: without promises for each. */
  feed(consumer: RequestConsumer): void {
    this.#consumer = consumer;
    if (this.#failure === undefined) this.resume();
    else this.#finishFeeding(this.#failure);
  }

  /** Continues to feed the consumer, which is ready. */
  resume(): void {
    if (this.#isFeeding) return;
    this.#isFeeding = true;
    try {
      while (this.#consumer?.isReady === true && !this.#isInflating && this.#feedNext(this.#consumer));
    } catch (cause) {
      this.#finishFeeding(cause);
    }
    this.#isFeeding = false;
  }

  /** @returns false if the next request has not arrived. @throws CarillonError */
  #feedNext(consumer: RequestConsumer): boolean {
    const result = this.#take();
    if (result === undefined) return false;
    if (result instanceof Promise) void this.#feedLater(result);
    else if (result.done === true) this.#finishFeeding(undefined);
    else consumer.take(result.value);
    return true;
  }

  /**
   * Feeds the whole uncompressed requests at the beginning of a chunk, which need neither the framer nor a lease.
   * @returns the number of bytes taken
   */
  #feedWhole(chunk: Buffer): number {
    let at = 0;
    this.#isFeeding = true;
    try {
      while (this.#consumer?.isReady === true && !this.#isInflating) {
        const end = findWholeMessage(chunk, at, this.#call.method.limit);
        if (end === undefined) break;
        // Decoded messages refer to their bytes, and the chunk may be a small part of a large buffer.
        const message = Buffer.allocUnsafe(end - at - PREFIX_BYTES);
        chunk.copy(message, 0, at + PREFIX_BYTES, end);
        at = end;
        this.#consumer.take(this.#call.decode(message));
      }
    } catch (cause) {
      this.#finishFeeding(cause);
    }
    this.#isFeeding = false;
    this.#call.widen(at);
    return at;
  }

  /** Feeds a request that is being inflated, and those after it. */
  async #feedLater(inflated: Promise<Result>): Promise<void> {
    this.#isInflating = true;
    try {
      const { value } = await inflated;
      this.#isInflating = false;
      if (value !== undefined && !this.#isDiscarding) this.#consumer?.take(value);
      this.resume();
    } catch (cause) {
      this.#finishFeeding(cause);
    }
  }

  #finishFeeding(cause: unknown): void {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    consumer?.finish(cause);
  }

  /** Discards all bytes. Those that still arrive are not returned to the window. */
  discard(): void {
    this.#isDiscarding = true;
    this.#call.incompleteSince = undefined;
    const { bytes } = this.#framer;
    if (bytes > 0) this.#call.lease.give(bytes);
    this.#framer.clear();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Result> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isDiscarding) return DONE;
    const result = this.#take();
    if (result !== undefined) return result;
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  async return(): Promise<Result> {
    this.discard();
    return DONE;
  }

  /** Passes the next request to the method, if it waits. */
  #serve(): void {
    const reader = this.#reader;
    if (reader === undefined) {
      this.resume();
      return;
    }
    try {
      const result = this.#take();
      if (result === undefined) return;
      this.#reader = undefined;
      reader.resolve(result);
    } catch (cause) {
      this.#reader = undefined;
      reader.reject(cause);
    }
  }

  /** @returns undefined if the next request has not arrived. @throws CarillonError */
  #take(): Result | Promise<Result> | undefined {
    const next = this.#framer.next();
    const { bytes } = this.#framer;
    if (next === "short" && bytes > 0) {
      // A message is not given more time with each byte of it.
      this.#call.incompleteSince ??= performance.now();
    } else {
      this.#call.incompleteSince = undefined;
    }
    if (next === "end") return DONE;
    if (next !== "short") return this.#decode(next);
    this.#call.widen(bytes - this.#widened);
    this.#widened = bytes;
    return undefined;
  }

  #decode({ chunks, encoding, length }: FramedMessage): Result | Promise<Result> {
    const bytes = PREFIX_BYTES + length;
    const widened = Math.min(this.#widened, bytes);
    this.#widened -= widened;
    this.#call.widen(bytes - widened);
    if (encoding !== undefined) return this.#inflate(encoding, chunks, bytes);
    this.#call.lease.give(bytes);
    return { done: false, value: this.#call.decode(joinChunks(chunks)) };
  }

  /** @param bytes - of the message as it was sent, with its prefix */
  async #inflate(encoding: InflatedEncoding, chunks: readonly Buffer[], bytes: number): Promise<Result> {
    const { lease, method } = this.#call;
    const message = await inflateMessage(encoding, chunks, { limit: method.limit, lease });
    lease.give(bytes + message.length);
    return { done: false, value: this.#call.decode(message) };
  }
}
