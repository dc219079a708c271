import type { IncomingMessage, ServerResponse } from "node:http";
import { answerPreflight } from "../../net/http-handler.js";

/** Methods and headers of Connect and gRPC-Web clients in browsers. Source: connectrpc.com, CORS. */
const METHODS = "POST, GET";
const REQUEST_HEADERS = [
  "authorization, content-type, connect-protocol-version, connect-timeout-ms, grpc-timeout, x-grpc-web, x-user-agent",
  // Names the vhost of the request (A3).
  "carillon-vhost",
].join(", ");
const RESPONSE_HEADERS = "grpc-status, grpc-message, grpc-status-details-bin";

/** Lets a page read the response. @param origin - of the page; the caller has checked it */
export function allowOrigin(response: ServerResponse, origin: string): void {
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-expose-headers", RESPONSE_HEADERS);
  response.setHeader("vary", "origin");
}

/** Answers the preflight request of a call. */
export function answerRpcPreflight(request: IncomingMessage, response: ServerResponse): void {
  response.setHeader("vary", "origin, access-control-request-headers");
  answerPreflight(request, response, METHODS, REQUEST_HEADERS);
}
