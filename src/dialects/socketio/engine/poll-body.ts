import type { IncomingMessage, ServerResponse } from "node:http";
import type { ByteLease } from "../../../net/byte-budget.js";

/**
 * Counts the body of a request with packets against what the node may receive, from its first byte until it has been answered.
 * @param onRefused - called once, when there is no room: the library has not seen the end of the body, and never will
 */
export function countBody(
  request: IncomingMessage,
  response: ServerResponse,
  lease: ByteLease,
  onRefused: (cause: unknown) => void,
): void {
  // The library has it read as text, but for bytes of Engine.IO 3.
  request.on("data", (chunk: string | Buffer) => {
    // The rest of a request that was answered before its end, such as one that is too large.
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
