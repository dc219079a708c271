import type { IncomingMessage } from "node:http";
import { SEPARATOR } from "../encode.js";

/** Most packets of one request: the library reads all of them in one turn of the event loop, at some 6 µs each (rule O12). */
export const MAX_PACKETS = 5_000;

/**
 * Counts the packets of a request while it is read.
 * @param onTooMany - called once, before the library has taken any of them
 */
export function countPackets(request: IncomingMessage, onTooMany: () => void): void {
  let left = MAX_PACKETS - 1;
  // The library has it read as text.
  const onData = (chunk: string): void => {
    left -= separatorsIn(chunk);
    if (left >= 0) return;
    request.off("data", onData);
    onTooMany();
  };
  request.on("data", onData);
}

function separatorsIn(text: string): number {
  let count = 0;
  for (let at = text.indexOf(SEPARATOR); at !== -1; at = text.indexOf(SEPARATOR, at + 1)) count += 1;
  return count;
}
