import type { IncomingMessage, ServerResponse } from "node:http";

/** What Connect and gRPC-Web clients in browsers send and read. Source: connectrpc.com, CORS. */
const METHODS = "POST, GET";
const REQUEST_HEADERS = [
  "authorization, content-type, connect-protocol-version, connect-timeout-ms, grpc-timeout, x-grpc-web, x-user-agent",
  // What names the vhost that is meant (A3).
  "carillon-vhost",
].join(", ");
const RESPONSE_HEADERS = "grpc-status, grpc-message, grpc-status-details-bin";
/** Seconds for which a browser may remember the answer: the most that any honours. */
const MAX_AGE = 7_200;

/** Lets a page of an origin that has been checked read the answer. */
export function allowOrigin(response: ServerResponse, origin: string): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", RESPONSE_HEADERS);
  response.setHeader("vary", "origin");
}

/**
 * Answers the question that a browser asks before it sends a request across origins. Pages of allowed origins may send any
 * header: tracing and other libraries add their own (`traceparent`, `baggage`, `x-request-id`).
 */
export function answerPreflight({ headers }: IncomingMessage, response: ServerResponse): void {
  response.setHeader("vary", "origin, access-control-request-headers");
  response.writeHead(204, {
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": headers["access-control-request-headers"] ?? REQUEST_HEADERS,
    "access-control-max-age": String(MAX_AGE),
  });
  response.end();
}
