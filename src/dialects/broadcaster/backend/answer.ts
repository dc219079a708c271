import type { IncomingMessage, ServerResponse } from "node:http";
import { type CarillonError, HTTP_STATUS } from "../../../errors.js";
import { answerWithText } from "../../backend-http.js";
import { errorObject } from "../encode.js";

const METHOD_NOT_ALLOWED = 405;

/** Answers with a text, by default JSON; "" for no body. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { body = "", status = 200, type = "application/json" }: { status?: number; body?: string; type?: string },
): void {
  answerWithText(request, response, { status, type, body });
}

/** Answers with an error in Broadcaster's format. Closes the connection if the request was truncated. */
export function answerError(
  request: IncomingMessage,
  response: ServerResponse,
  error: Pick<CarillonError, "code" | "message">,
  status = HTTP_STATUS[error.code],
): void {
  if (error.code === "cancelled") {
    response.destroy();
    return;
  }
  if (error.code === "unauthenticated") response.setHeader("www-authenticate", "Bearer");
  answer(request, response, { status, body: errorObject(error) });
}

/** @param allow - methods of the path */
export function answerWrongMethod(request: IncomingMessage, response: ServerResponse, allow: string): void {
  response.setHeader("allow", allow);
  const message = `method not allowed: ${request.method ?? ""}`;
  answerError(request, response, { code: "invalid_argument", message }, METHOD_NOT_ALLOWED);
}
