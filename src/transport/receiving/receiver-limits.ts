/**
 * Into how many pieces a client may split a message. Each piece that waits for the rest keeps the whole chunk alive that
 * it came in, up to 64 KiB: with the library's 16,384 fragments one client could pin 1 GiB by sending a byte at a time
 * between pongs. Measured: 4,000 such fragments pinned 250 MB.
 */
const BYTES_PER_FRAGMENT = 1_024;
/** TCP segments of an unfinished frame cost some 200 bytes each, whatever they hold. */
const BYTES_PER_CHUNK = 64;
/** A small frame limit leaves so many pieces all the same. */
const LEAST_PIECES = 256;

/** What the WebSocket library is to hold of one unfinished message; the last two are not in its type definitions. */
export interface ReceiverLimits {
  readonly maxPayload: number;
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
}

/** @param frameBytes - the largest message of a client; its fragments may be 1 KiB each, which the smallest clients do */
export function receiverLimits(frameBytes: number): ReceiverLimits {
  return {
    maxPayload: frameBytes,
    maxFragments: Math.max(LEAST_PIECES, Math.ceil(frameBytes / BYTES_PER_FRAGMENT)),
    maxBufferedChunks: Math.max(LEAST_PIECES, Math.ceil(frameBytes / BYTES_PER_CHUNK)),
  };
}
