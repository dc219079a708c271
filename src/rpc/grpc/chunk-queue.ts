/** Queue of bytes that arrive in pieces and are taken out in other pieces, without copying. */
export class ChunkQueue {
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** Number of bytes in the queue. */
  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Returns the first `length` bytes; undefined if the queue has fewer. */
  peek(length: number): Buffer | undefined {
    const [first] = this.#chunks;
    if (first === undefined || this.#bytes < length) return undefined;
    return first.length >= length ? first.subarray(0, length) : Buffer.concat(this.#chunks, length);
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
    return taken;
  }

  clear(): void {
    this.#chunks = [];
    this.#bytes = 0;
  }
}
