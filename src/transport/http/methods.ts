import type { Handler } from "../../net/http-handler.js";
import { refuseRequest } from "../admission/refuse.js";

/** Source: RFC 9110 §15.5.6. */
const METHOD_NOT_ALLOWED = 405;

/** Answers GET and HEAD with the handler, and other methods with 405. Node leaves the body out of answers to HEAD. */
export function readOnly(handler: Handler): Handler {
  return (request, response) => {
    if (request.method === "GET" || request.method === "HEAD") handler(request, response);
    else refuseMethod(request.method, response, "GET, HEAD");
  };
}

/** @param allow - the methods that the path has */
export function refuseMethod(method: string | undefined, response: Parameters<Handler>[1], allow: string): void {
  response.setHeader("allow", allow);
  refuseRequest(
    response,
    "unimplemented",
    `${method ?? ""} is not allowed here; allowed: ${allow}`,
    METHOD_NOT_ALLOWED,
  );
}
