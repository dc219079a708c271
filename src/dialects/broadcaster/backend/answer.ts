import type { IncomingMessage, ServerResponse } from "node:http";
import { type CarillonError, HTTP_STATUS } from "../../../errors.js";
import { errorObject } from "../encode.js";

const METHOD_NOT_ALLOWED = 405;

/** Answers, and says that the connection ends where the request has not been read to its end. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { body = "", status = 200, type = "application/json" }: { status?: number; body?: string; type?: string },
): void {
  response.writeHead(status, {
    ...(body === "" ? {} : { "content-type": type }),
    "content-length": Buffer.byteLength(body),
    ...(request.complete ? {} : { connection: "close" }),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

/** Answers with the error as broadcaster writes it, or with nothing where nobody is there any more. */
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

/** @param allow - the methods that there are */
export function answerWrongMethod(request: IncomingMessage, response: ServerResponse, allow: string): void {
  response.setHeader("allow", allow);
  const message = `method not allowed: ${request.method ?? ""}`;
  answerError(request, response, { code: "invalid_argument", message }, METHOD_NOT_ALLOWED);
}
