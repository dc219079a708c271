import type { IncomingMessage } from "node:http";
import { constants, deflateRawSync } from "node:zlib";
import type { PerMessageDeflateOptions } from "ws";

/** Length of the shortest text that is compressed, in characters. Compressing shorter ones costs more than it saves. */
export const SHORTEST_COMPRESSED = 256;

/** Bytes that a flush appends and RFC 7692 §7.2.1 removes. */
const FLUSH_TAIL = 4;

/**
 * Negotiated options: no context takeover, so that one compressed frame serves every connection and none keeps a
 * compressor.
 */
export const COMPRESSION: PerMessageDeflateOptions = { serverNoContextTakeover: true, clientNoContextTakeover: true };

/**
 * Removes a client's offer that asks for a smaller server window, because shared frames use the full window. The
 * connection is then uncompressed; the library would refuse it.
 */
export function withdrawSmallWindows({ headers }: IncomingMessage): void {
  if (headers["sec-websocket-extensions"]?.includes("server_max_window_bits") === true) {
    delete headers["sec-websocket-extensions"];
  }
}

/** Characters compressed in one turn of the event loop. Measured: 17 ms for incompressible text. */
const TURN_CHARACTERS = 512 << 10;
let spent = 0;

/**
 * Takes a text's characters from the allowance of this turn of the event loop.
 * @returns whether the text may be compressed; otherwise it is sent uncompressed, which takes less time, so that large
 * messages do not block the loop
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
 * Compresses a text for permessage-deflate, once for all recipients. Compression is synchronous, because the frame must be
 * complete before the next one is sent.
 */
export function compressText(text: string): Uint8Array {
  const deflated = deflateRawSync(text, { finishFlush: constants.Z_SYNC_FLUSH });
  return deflated.subarray(0, deflated.length - FLUSH_TAIL);
}
