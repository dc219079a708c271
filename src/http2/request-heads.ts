import type { HeaderField } from "./hpack/header-field.js";
import type { HpackDecoder } from "./hpack/hpack-decoder.js";
import { isRequestValid, readContentLength } from "./request-fields.js";

/** Decoded beginning of a request. */
export interface RequestHead<Head> {
  /** Undefined: the request is malformed. */
  readonly head: Head | undefined;
  /** Size of the body by its content-length, in bytes. */
  readonly contentLength: number | undefined;
}

/** Cached head with the encoded block that it was read from. */
interface CachedHead<Head> {
  readonly block: Buffer;
  readonly read: RequestHead<Head>;
}

/** Number of heads that are cached, and bytes of the largest block. */
const CAPACITY = 4;
const MAX_CACHED_BYTES = 1_024;

export type ReadHead<Head> = (fields: readonly HeaderField[], isTooLarge: boolean) => Head;

/**
 * Reads the heads of requests. Clients send the same bytes for each call of a method once their encoder's table has settled,
 * so heads are cached by these bytes for as long as the table does not change.
 */
export class RequestHeads<Head> {
  readonly #decoder: HpackDecoder;
  readonly #readHead: ReadHead<Head>;
  readonly #cached: CachedHead<Head>[] = [];
  /** Version of the decoder's table that the cached heads belong to. */
  #version = 0;
  #oldest = 0;

  constructor(decoder: HpackDecoder, readHead: ReadHead<Head>) {
    this.#decoder = decoder;
    this.#readHead = readHead;
  }

  /**
   * @param bytes - has the encoded block from `start` to `end`
   * @throws HpackError
   */
  read(bytes: Buffer, start: number, end: number): RequestHead<Head> {
    const decoder = this.#decoder;
    if (this.#version === decoder.version) {
      for (const { block, read } of this.#cached) if (isSame(block, bytes, start, end)) return read;
    }
    const before = decoder.version;
    const block = bytes.subarray(start, end);
    const { fields, isTooLarge } = decoder.decode(block);
    const read = this.#read(fields, isTooLarge);
    if (decoder.version === before && block.length <= MAX_CACHED_BYTES) this.#cache(block, read);
    return read;
  }

  #read(fields: readonly HeaderField[], isTooLarge: boolean): RequestHead<Head> {
    if (isTooLarge) return { head: this.#readHead(fields, true), contentLength: undefined };
    const contentLength = readContentLength(fields);
    if (Number.isNaN(contentLength) || !isRequestValid(fields)) {
      return { head: undefined, contentLength: undefined };
    }
    return { head: this.#readHead(fields, false), contentLength };
  }

  #cache(block: Buffer, read: RequestHead<Head>): void {
    if (this.#version !== this.#decoder.version) {
      this.#version = this.#decoder.version;
      this.#cached.length = 0;
      this.#oldest = 0;
    }
    // The bytes are copied, because the block is a view of a larger buffer.
    const entry = { block: Buffer.from(block), read };
    if (this.#cached.length < CAPACITY) {
      this.#cached.push(entry);
    } else {
      this.#cached[this.#oldest] = entry;
      this.#oldest = (this.#oldest + 1) % CAPACITY;
    }
  }
}

/** Compares byte by byte, because blocks are short and a call of memcmp would cost more. */
function isSame(block: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (block.length !== end - start) return false;
  for (let at = 0; at < block.length; at += 1) if (block[at] !== bytes[start + at]) return false;
  return true;
}
