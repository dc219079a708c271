/**
 * Bytes below which a chunk is copied behind the one before it. Otherwise, a peer that sends each byte in a frame of its own would
 * make the queue hold an object of some hundred bytes for each.
 */
const SMALL = 1_024;

/** Capacity of the first and of the largest buffer for small chunks, in bytes. Each has twice the capacity of the one directly before. */
const FIRST_CAPACITY = 256;
const LAST_CAPACITY = 8_192;

/** Queue of bytes that arrive in pieces and are taken out in other pieces. Only small pieces are copied. */
export class ChunkQueue {
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Buffer that the last chunk is a view of; undefined if nothing can be copied behind the last chunk. */
  #tail: Buffer | undefined;
  #capacity = FIRST_CAPACITY;

  /** Number of bytes in the queue. */
  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (chunk.length < SMALL && this.#chunks.length > 0) {
      this.#append(chunk);
    } else {
      this.#tail = undefined;
      this.#capacity = FIRST_CAPACITY;
      this.#chunks.push(chunk);
    }
  }

  /** Returns the first `length` bytes; undefined if the queue has fewer. */
  peek(length: number): Buffer | undefined {
    const [first] = this.#chunks;
    if (first === undefined || this.#bytes < length) return undefined;
    if (first.length >= length) return first.subarray(0, length);
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    for (let index = 0; filled < length; index += 1) filled += this.#chunks[index]?.copy(bytes, filled) ?? length;
    return bytes;
  }

  /** Removes and returns the first `length` bytes. The queue must have as many. */
  shift(length: number): Buffer[] {
    const taken: Buffer[] = [];
    let left = length;
    let position = 0;
    for (; left > 0; position += 1) {
      const chunk = this.#chunks[position];
      if (chunk === undefined) break;
      if (chunk.length > left) {
        taken.push(chunk.subarray(0, left));
        this.#chunks[position] = chunk.subarray(left);
        break;
      }
      taken.push(chunk);
      left -= chunk.length;
    }
    if (position > 0) this.#chunks.splice(0, position);
    this.#bytes -= length;
    if (this.#chunks.length === 0) this.clear();
    return taken;
  }

  clear(): void {
    this.#chunks = [];
    this.#bytes = 0;
    this.#tail = undefined;
    this.#capacity = FIRST_CAPACITY;
  }

  /** Copies a small chunk behind the last one. */
  #append(chunk: Buffer): void {
    const index = this.#chunks.length - 1;
    const last = this.#chunks[index];
    const tail = this.#tail;
    if (last !== undefined && tail !== undefined) {
      const start = last.byteOffset - tail.byteOffset;
      const end = start + last.length;
      if (end + chunk.length <= tail.length) {
        chunk.copy(tail, end);
        this.#chunks[index] = tail.subarray(start, end + chunk.length);
        return;
      }
      this.#capacity = Math.min(2 * this.#capacity, LAST_CAPACITY);
    }
    this.#tail = Buffer.allocUnsafe(Math.max(this.#capacity, chunk.length));
    chunk.copy(this.#tail);
    this.#chunks.push(this.#tail.subarray(0, chunk.length));
  }
}
