import type { IncomingMessage, ServerResponse } from "node:http";
import type { ByteLease } from "../../../net/byte-budget.js";
import { SEPARATOR } from "../encode.js";

/**
 * Counts the body of a POST request in the node's budget for received bytes, from its first byte until its answer.
 * @param onRefused - called once, when the budget is exhausted: the library never sees the end of the body
 */
export function countBody(
  request: IncomingMessage,
  response: ServerResponse,
  lease: ByteLease,
  onRefused: (cause: unknown) => void,
): void {
  // The library decodes the body as text, except for bytes of Engine.IO 3.
  request.on("data", (chunk: string | Buffer) => {
    // The rest of a request that was answered early, for example because it is too large, is not counted.
    if (response.headersSent) return;
    try {
      lease.take(Buffer.byteLength(chunk));
    } catch (cause) {
      request.removeAllListeners("data").removeAllListeners("end").resume();
      onRefused(cause);
    }
  });
  response.once("close", () => {
    lease.release();
  });
}

/**
 * Maximum number of packets in one request. The library reads all of them in one turn of the event loop, at about 6 µs each
 * (rule O12).
 */
export const MAX_PACKETS = 5_000;

/**
 * Counts the packets of a request while it is read.
 * @param onTooMany - called once, before the library handles any packet
 */
export function countPackets(request: IncomingMessage, onTooMany: () => void): void {
  let left = MAX_PACKETS - 1;
  // The library decodes the body as text.
  const onData = (chunk: string): void => {
    left -= countSeparators(chunk);
    if (left >= 0) return;
    request.off("data", onData);
    onTooMany();
  };
  request.on("data", onData);
}

function countSeparators(text: string): number {
  let count = 0;
  for (let at = text.indexOf(SEPARATOR); at !== -1; at = text.indexOf(SEPARATOR, at + 1)) count += 1;
  return count;
}
