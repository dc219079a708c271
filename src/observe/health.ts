import type { IncomingMessage, ServerResponse } from "node:http";
import { errorText } from "../util/native-error.js";

/** Returns the reasons for which the node is not ready; empty when it is. */
export type Readiness = () => readonly string[] | Promise<readonly string[]>;

/** Handles liveness probes: always 200. */
export function healthz(_request: IncomingMessage, response: ServerResponse): void {
  respond(response, 200, ["ok"]);
}

/** Creates the handler of readiness probes: 200 when the node is ready, otherwise 503 with a line for each reason. */
export function readyz(readiness: Readiness) {
  return (_request: IncomingMessage, response: ServerResponse): void => {
    void respondReadiness(response, readiness);
  };
}

async function respondReadiness(response: ServerResponse, readiness: Readiness): Promise<void> {
  let reasons: readonly string[];
  try {
    reasons = await readiness();
  } catch (cause) {
    reasons = [errorText(cause)];
  }
  if (reasons.length === 0) respond(response, 200, ["ready"]);
  else respond(response.setHeader("retry-after", 1), 503, reasons);
}

function respond(response: ServerResponse, status: number, lines: readonly string[]): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
  response.end(`${lines.join("\n")}\n`);
}
