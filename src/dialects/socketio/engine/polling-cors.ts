import type { IncomingMessage, ServerResponse } from "node:http";

/** Seconds for which a browser may remember the answer: the most that any honours. */
const MAX_AGE = 7_200;

/** Lets a page of an origin that has been checked read the answers, with its cookies where it sends them along. */
export function allowPolling(response: ServerResponse, origin: string): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-allow-credentials", "true");
  response.setHeader("vary", "origin");
}

/** Answers the question that a browser asks before it polls across origins with headers of its own. */
export function answerPollingPreflight({ headers }: IncomingMessage, response: ServerResponse): void {
  response.writeHead(204, {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": headers["access-control-request-headers"] ?? "authorization, content-type",
    "access-control-max-age": String(MAX_AGE),
  });
  response.end();
}
