import type { IncomingMessage, ServerResponse } from "node:http";

/** Seconds for which a browser may remember the answer: the most that any honours. */
const MAX_AGE = 7_200;

/**
 * Lets a page of an origin that has been checked read the answer, and answers what its browser asks before it sends the
 * request. Whatever headers the page wants to send it may: which of them its library adds is nobody's concern here.
 * @returns true: that was all that was asked
 */
export function answerCors(request: IncomingMessage, response: ServerResponse, methods: string): boolean {
  const { origin, "access-control-request-headers": wanted = "authorization, content-type" } = request.headers;
  response.setHeader("vary", "origin");
  if (origin === undefined) return false;
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", "*");
  if (request.method !== "OPTIONS") return false;
  response.writeHead(204, {
    "access-control-allow-methods": methods,
    "access-control-allow-headers": wanted,
    "access-control-max-age": String(MAX_AGE),
  });
  response.end();
  return true;
}
