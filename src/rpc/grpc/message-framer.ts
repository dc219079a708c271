import { ChunkQueue } from "../../net/body/chunk-queue.js";
import { malformedRequest, requestTooLarge } from "../call-errors.js";
import { type InflateBounds, type InflatedEncoding, inflate } from "../inflate.js";

/** Bytes before each message: a byte of flags and the message's length. Source: gRPC over HTTP/2, Length-Prefixed-Message. */
export const PREFIX_BYTES = 5;
const COMPRESSED = 1;

/** Length below which the prefixes of messages are kept. */
const MAX_KEPT = 512;
const keptPrefixes: Buffer[] = [];

/** Returns the prefix of an uncompressed message. It must not be changed. @param length - of the message, in bytes */
export function findPrefix(length: number): Buffer {
  if (length >= MAX_KEPT) return createPrefix(length);
  let prefix = keptPrefixes[length];
  if (prefix === undefined) {
    prefix = createPrefix(length);
    keptPrefixes[length] = prefix;
  }
  return prefix;
}

function createPrefix(length: number): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(length, 1);
  return prefix;
}

/**
 * Finds an uncompressed message that is complete.
 * @param start - position of its prefix
 * @param limit - maximum number of bytes of the message
 * @returns the position after it; undefined if there is none
 */
export function findWholeMessage(chunk: Buffer, start: number, limit: number): number | undefined {
  const first = start + PREFIX_BYTES;
  if (first > chunk.length || chunk[start] !== 0) return undefined;
  const length = chunk.readUInt32BE(start + 1);
  return length <= limit && first + length <= chunk.length ? first + length : undefined;
}

/** Bounds on the messages of a request. */
export interface FrameRules {
  /** Maximum number of bytes of a message, as sent and as inflated. */
  readonly limit: number;
  /** Whether the request is a stream of messages; otherwise it is exactly one message. */
  readonly streaming: boolean;
}

/** Message as it was sent, without its prefix. */
export interface FramedMessage {
  /** Compression of the bytes; undefined for none. */
  readonly encoding: InflatedEncoding | undefined;
  /** They begin with the prefix if the framer keeps it and the message is not compressed. */
  readonly chunks: readonly Buffer[];
  /** Number of bytes, without the prefix. */
  readonly length: number;
}

/** Splits the bytes of a request into its messages. */
export class MessageFramer {
  readonly #rules: FrameRules;
  readonly #encoding: InflatedEncoding | undefined;
  readonly #keepsPrefix: boolean;
  readonly #chunks = new ChunkQueue();
  #messages = 0;
  #ended = false;

  /**
   * @param encoding - compression of the messages that are marked as compressed; undefined for none
   * @param keepsPrefix - whether uncompressed messages have their prefix
   */
  constructor(rules: FrameRules, encoding: InflatedEncoding | undefined, keepsPrefix = false) {
    this.#rules = rules;
    this.#encoding = encoding;
    this.#keepsPrefix = keepsPrefix;
  }

  /** Number of bytes that {@link next} has not returned. */
  get bytes(): number {
    return this.#chunks.bytes;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
  }

  /** Marks the end of the request. */
  finish(): void {
    this.#ended = true;
  }

  /** Discards the bytes. */
  clear(): void {
    this.#chunks.clear();
  }

  /**
   * Removes and returns the next message.
   * @returns "short": it has not arrived yet; "end": the request has ended before it
   * @throws CarillonError invalid_argument: malformed; resource_exhausted: larger than the limit
   */
  next(): FramedMessage | "short" | "end" {
    const { limit, streaming } = this.#rules;
    if (!streaming && this.#messages === 1 && this.bytes > 0) throw malformedRequest("more than one message");
    if (this.#ended && this.bytes === 0) {
      if (!streaming && this.#messages === 0) throw malformedRequest("no message");
      return "end";
    }
    const prefix = this.#chunks.peek(PREFIX_BYTES);
    const length = prefix?.readUInt32BE(1);
    if (length !== undefined && length > limit) throw requestTooLarge(limit);
    if (prefix === undefined || length === undefined || this.bytes < PREFIX_BYTES + length) {
      if (this.#ended) throw malformedRequest("truncated");
      return "short";
    }
    const flags = prefix.readUInt8(0);
    if (flags > COMPRESSED) throw malformedRequest(`unknown flags (${flags})`);
    const isCompressed = flags === COMPRESSED && length > 0;
    if (isCompressed && this.#encoding === undefined) {
      throw malformedRequest("compressed, but grpc-encoding is missing");
    }
    this.#messages += 1;
    if (this.#keepsPrefix && flags !== COMPRESSED) {
      return { encoding: undefined, chunks: this.#chunks.shift(PREFIX_BYTES + length), length };
    }
    this.#chunks.shift(PREFIX_BYTES);
    if (isCompressed) return { encoding: this.#encoding, chunks: this.#chunks.shift(length), length };
    // An empty message that is marked as compressed has nothing to inflate.
    const chunks = this.#keepsPrefix ? [findPrefix(0)] : this.#chunks.shift(length);
    return { encoding: undefined, chunks, length };
  }
}

/**
 * Inflates a message. Its result and the inflater count towards the lease, which already has the compressed bytes.
 * @throws CarillonError invalid_argument: malformed; resource_exhausted: larger than the limit, or the lease cannot take more
 */
export async function inflateMessage(
  encoding: InflatedEncoding,
  chunks: readonly Buffer[],
  bounds: InflateBounds,
): Promise<Buffer> {
  const message = await inflate(encoding, Buffer.concat(chunks), bounds);
  if (message === "too large") throw requestTooLarge(bounds.limit);
  if (message === "malformed") throw malformedRequest("decompression failed");
  return message;
}
