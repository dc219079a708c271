import type { IncomingMessage, ServerResponse } from "node:http";
import type { BackendAction } from "../access/decide/actions.js";
import type { Backend, BackendCredentials } from "../access/keys/backend.js";
import { CarillonError, HTTP_STATUS, invalidArgument, retryAfterSeconds } from "../errors.js";
import { receiveBody } from "../net/body/receive-body.js";
import type { ByteLease } from "../net/byte-budget.js";
import { findJsonExcess } from "../util/json-size.js";
import { nextTurn } from "../util/next-turn.js";

/** Helpers that the dialects' HTTP interfaces for backends share. */

/** Decides which backend may call which operation, in any protocol. */
export interface RequestAuthorizer {
  /** @throws CarillonError unauthenticated, permission_denied, not_found (the vhost), unavailable */
  admit(credentials: BackendCredentials, action: BackendAction): Backend;
}

/** JSON text with its parsed value. */
export interface RequestText {
  readonly text: string;
  readonly value: unknown;
}

/** Error for a body above its limit. HTTP has a status for it, unlike for other exhausted resources. */
class BodyTooLarge extends CarillonError {}

/** Source: RFC 9110 §15.5.14. */
const CONTENT_TOO_LARGE = 413;

/** Returns the HTTP status for a refusal. */
export function toHttpStatus(error: CarillonError): number {
  return error instanceof BodyTooLarge ? CONTENT_TOO_LARGE : HTTP_STATUS[error.code];
}

/** Sets Retry-After if the error has a retry delay. */
export function setRetryAfter(response: ServerResponse, error: CarillonError): void {
  const seconds = retryAfterSeconds(error);
  if (seconds !== undefined) response.setHeader("retry-after", seconds);
}

/** Bounds for reading a body. */
export interface BodyReading {
  /** Largest body, in bytes. */
  readonly limit: number;
  /** Counts the body. It is released when the body has been parsed. */
  readonly lease: ByteLease;
}

/**
 * Parses the JSON body of a request. A large body takes several turns of the event loop.
 * @throws CarillonError invalid_argument: not JSON, or not UTF-8; resource_exhausted: too large, or the node's budget is
 * exhausted; cancelled: the body is truncated
 */
export async function readRequestText(request: IncomingMessage, { lease, limit }: BodyReading): Promise<RequestText> {
  try {
    const text = decodeUtf8(await receiveBody(request, { lease, limit, tooLarge: bodyTooLarge }));
    const excess = findJsonExcess(text);
    if (excess !== undefined) throw invalidArgument(`the body cannot be read: ${excess}`);
    await nextTurn(text);
    const value = parse(text);
    await nextTurn(text);
    return { text, value };
  } finally {
    lease.release();
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalidArgument(NOT_JSON, cause);
  }
}

const NOT_JSON = "the body is not JSON";

const UTF8 = new TextDecoder("utf-8", { fatal: true });

function decodeUtf8(body: Buffer): string {
  try {
    return UTF8.decode(body);
  } catch (cause) {
    throw invalidArgument(NOT_JSON, cause);
  }
}

function bodyTooLarge(limit: number): CarillonError {
  const text = `the body is larger than ${limit} bytes`;
  return new BodyTooLarge("resource_exhausted", text, { retryDelay: Number.POSITIVE_INFINITY });
}

/**
 * Answers with JSON.
 * @returns the number of bytes of the body
 */
export function answerJson(request: IncomingMessage, response: ServerResponse, status: number, body: unknown): number {
  return answerWithText(request, response, { status, type: "application/json", body: `${JSON.stringify(body)}\n` });
}

/**
 * Answers with a text; "" for no body. The answer closes the connection if the request has not been read completely.
 * @returns the number of bytes of the body
 */
export function answerWithText(
  request: IncomingMessage,
  response: ServerResponse,
  { body, status, type }: { readonly status: number; readonly type: string; readonly body: string },
): number {
  const bytes = Buffer.byteLength(body);
  const headers = ["content-length", String(bytes)];
  if (bytes > 0) headers.push("content-type", type);
  if (!request.complete) headers.push("connection", "close");
  response.writeHead(status, headers);
  response.end(request.method === "HEAD" ? undefined : body);
  return bytes;
}
