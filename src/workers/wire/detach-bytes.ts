/** Bytes that may hang on unused to what is kept. */
const MOST_UNUSED = 16 << 10;

/**
 * For what is kept for a while: a small payload that is a piece of a large message, or of what a socket has read at once,
 * would keep all of it in memory, and no limit would count that.
 */
export function detachBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength - bytes.length > MOST_UNUSED ? Buffer.from(bytes) : bytes;
}
