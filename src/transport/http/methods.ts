import type { Handler } from "../../net/http-handler.js";
import { refuseRequest } from "../admission/refuse.js";

/** Source: RFC 9110 §15.5.6. */
const METHOD_NOT_ALLOWED = 405;

/** Restricts a handler to GET and HEAD; other methods get 405. Node omits the body of responses to HEAD. */
export function allowReads(handler: Handler): Handler {
  return (request, response) => {
    if (request.method === "GET" || request.method === "HEAD") handler(request, response);
    else refuseMethod(request.method, response, "GET, HEAD");
  };
}

/** Answers with 405. @param allow - methods of the path */
export function refuseMethod(method: string | undefined, response: Parameters<Handler>[1], allow: string): void {
  response.setHeader("allow", allow);
  refuseRequest(response, "unimplemented", `method ${method ?? ""} not allowed; allowed: ${allow}`, METHOD_NOT_ALLOWED);
}
