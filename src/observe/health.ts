import type { IncomingMessage, ServerResponse } from "node:http";

/** What keeps a node from being ready; empty when it is. */
export type Readiness = () => readonly string[];

/** The process is alive: 200 as long as it answers at all. */
export function healthz(_request: IncomingMessage, response: ServerResponse): void {
  answer(response, 200, ["ok"]);
}

/** 200 when clients and backends are welcome, else 503 with a line for each reason. */
export function readyz(readiness: Readiness) {
  return (_request: IncomingMessage, response: ServerResponse): void => {
    const reasons = readiness();
    if (reasons.length === 0) answer(response, 200, ["ready"]);
    else answer(response, 503, reasons);
  };
}

function answer(response: ServerResponse, status: number, lines: readonly string[]): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
  response.end(`${lines.join("\n")}\n`);
}
