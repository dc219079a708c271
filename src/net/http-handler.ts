import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";

/** Answers an HTTP request. */
export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Request whose caller may have a trace. */
export interface TracedRequest {
  /** Returns a header by its name in lower case; undefined if it is missing. */
  readonly header: (name: string) => string | undefined;
  /** Source of events on which the request is handled. */
  readonly events?: EventEmitter;
}

/** Runs a handler so that its spans continue the caller's trace, also those of its listeners of the request's events. */
export type ContinueTrace = (request: TracedRequest, run: () => void) => void;

/** Seconds for which a browser may cache the answer: the largest value that any browser honours. */
const MAX_AGE = 7_200;

/**
 * Answers a preflight request. Pages of allowed origins may send any header, because tracing and other libraries add
 * their own (`traceparent`, `baggage`, `x-request-id`).
 * @param usual - headers to allow if the browser requests none
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

/** Lets a page of a checked origin read a response, with cookies if it sends them. */
export function allowCredentials(response: ServerResponse, origin: string): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-allow-credentials", "true");
  response.setHeader("vary", "origin");
}
