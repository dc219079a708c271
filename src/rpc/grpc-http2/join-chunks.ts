/** Bytes of a buffer, for each byte of a view of it that is kept, above which the view is copied. */
const MAX_EXCESS = 4;

/** Returns a chunk that may be kept for long: a copy, if the chunk would keep much more memory than its size. */
export function keepChunk(chunk: Buffer): Buffer {
  return chunk.length * MAX_EXCESS < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk;
}

/** Copies chunks to one buffer. */
export function joinChunks(chunks: readonly Buffer[]): Buffer {
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? Buffer.from(first) : Buffer.concat(chunks);
}
