import type { IncomingMessage } from "node:http";
import { constants, deflateRawSync } from "node:zlib";
import type { PerMessageDeflateOptions } from "ws";

/** Texts shorter than this are sent as they are: compressing them costs more than it saves. In characters. */
export const LEAST_COMPRESSED = 256;

/** What a flush adds to the end, and RFC 7692 §7.2.1 takes away again. */
const FLUSH_TAIL = 4;

/**
 * What is negotiated: each message is compressed by itself, so that one compressed frame serves every connection and
 * none keeps a compressor.
 */
export const COMPRESSION: PerMessageDeflateOptions = { serverNoContextTakeover: true, clientNoContextTakeover: true };

/**
 * Takes back a client's offer that wants a smaller window of the server: the shared frames use the full one. The
 * connection then goes uncompressed; the library, left to decide, would refuse it.
 */
export function withdrawSmallWindows({ headers }: IncomingMessage): void {
  if (headers["sec-websocket-extensions"]?.includes("server_max_window_bits") === true) {
    delete headers["sec-websocket-extensions"];
  }
}

/** Characters that are compressed in a turn of the event loop: measured, 17 ms of what compresses worst. */
const TURN_CHARACTERS = 512 << 10;
let spent = 0;

/**
 * Whether a text may be compressed in this turn of the event loop. Larger ones, and the others of the turn, are sent as
 * they are, which takes less time, so that large messages do not hold everybody up.
 */
export function takeCompression({ length }: string): boolean {
  if (spent + length > TURN_CHARACTERS) return false;
  if (spent === 0) setImmediate(forgetTurn);
  spent += length;
  return true;
}

function forgetTurn(): void {
  spent = 0;
}

/**
 * A text as permessage-deflate wants it. It is done at once and not in the thread pool: the frame must be there when
 * its turn comes, and it is done once for all that get it.
 */
export function compressText(text: string): Uint8Array {
  const deflated = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH });
  return deflated.subarray(0, deflated.length - FLUSH_TAIL);
}
