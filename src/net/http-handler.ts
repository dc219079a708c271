import type { IncomingMessage, ServerResponse } from "node:http";

/** Answers an HTTP request. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Seconds for which a browser may remember the answer: the most that any honours. */
const MAX_AGE = 7_200;

/**
 * Answers the question that a browser asks before it sends a request across origins. Pages of allowed origins may send any
 * header: tracing and other libraries add their own (`traceparent`, `baggage`, `x-request-id`).
 * @param usual - headers that are named where the browser asks for none
 */
export function answerPreflight(
  { headers }: IncomingMessage,
  response: ServerResponse,
  methods: string,
  usual = "authorization, content-type",
): void {
  response.writeHead(204, {
    "access-control-allow-methods": methods,
    "access-control-allow-headers": headers["access-control-request-headers"] ?? usual,
    "access-control-max-age": String(MAX_AGE),
  });
  response.end();
}
