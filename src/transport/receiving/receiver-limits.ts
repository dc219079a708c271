/**
 * Bytes of the frame limit per allowed fragment. Each fragment of an incomplete message pins the chunk that it arrived in, of
 * up to 64 KiB. With the library's limit of 16,384 fragments, one client could pin 1 GiB by sending fragments of one byte
 * between pongs. Measured: 4,000 such fragments pinned 250 MB.
 */
const BYTES_PER_FRAGMENT = 1_024;
/**
 * Bytes of the frame limit per buffered chunk. A TCP segment of an incomplete frame costs about 200 bytes in addition
 * to its payload.
 */
const BYTES_PER_CHUNK = 64;
/** Number of fragments, and of buffered chunks, that are allowed with any frame limit. */
const MIN_PIECES = 256;

/** Limits of the WebSocket library for one incomplete message; its type definitions lack the last two. */
export interface ReceiverLimits {
  readonly maxPayload: number;
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
}

/** @param frameBytes - largest message of a client; its fragments may be as small as 1 KiB, which small devices send */
export function createReceiverLimits(frameBytes: number): ReceiverLimits {
  return {
    maxPayload: frameBytes,
    maxFragments: Math.max(MIN_PIECES, Math.ceil(frameBytes / BYTES_PER_FRAGMENT)),
    maxBufferedChunks: Math.max(MIN_PIECES, Math.ceil(frameBytes / BYTES_PER_CHUNK)),
  };
}
