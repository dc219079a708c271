import type { IncomingMessage, ServerResponse } from "node:http";
import { CarillonError, HTTP_STATUS, invalidArgument, retryAfterSeconds } from "../errors.js";
import type { ByteLease } from "../net/byte-budget.js";
import { findJsonExcess } from "../util/json-size.js";
import { nextTurn } from "../util/next-turn.js";
import { withResolvers } from "../util/with-resolvers.js";

/** What the HTTP interfaces of the older systems have in common. */

/** JSON, and how it is written. */
export interface RequestText {
  readonly text: string;
  readonly value: unknown;
}

/** A body larger than its limit. HTTP tells it from other exhausted resources. */
class BodyTooLarge extends CarillonError {}

/** Source: RFC 9110 §15.5.14. */
const CONTENT_TOO_LARGE = 413;

/** The HTTP status of a refusal. */
export function toHttpStatus(error: CarillonError): number {
  return error instanceof BodyTooLarge ? CONTENT_TOO_LARGE : HTTP_STATUS[error.code];
}

/** Says when to try again, where that is known. */
export function setRetryAfter(response: ServerResponse, error: CarillonError): void {
  const seconds = retryAfterSeconds(error);
  if (seconds !== undefined) response.setHeader("retry-after", seconds);
}

/** How a body is read. */
export interface BodyReading {
  /** Most bytes. */
  readonly limit: number;
  /** Counts the body until it has been parsed, and is released then. */
  readonly lease: ByteLease;
}

/**
 * Parses the JSON of a request's body, in several turns of the event loop where it is large.
 * @throws CarillonError invalid_argument: no JSON, or not UTF-8. resource_exhausted: too large, or the node is receiving too
 * much. cancelled: it was cut off
 */
export async function readRequestText(request: IncomingMessage, reading: BodyReading): Promise<RequestText> {
  try {
    const text = decodeUtf8(await readBody(request, reading));
    const excess = findJsonExcess(text);
    if (excess !== undefined) throw invalidArgument(`the body cannot be read: ${excess}`);
    await nextTurn(text);
    const value = parse(text);
    await nextTurn(text);
    return { text, value };
  } finally {
    reading.lease.release();
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

function decodeUtf8(body: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch (cause) {
    throw invalidArgument(NOT_JSON, cause);
  }
}

/** By events: to leave a loop over the request would cut the connection that the refusal has to be sent on. */
function readBody(request: IncomingMessage, { lease, limit }: BodyReading): Promise<Buffer> {
  const { promise, reject, resolve } = withResolvers<Buffer>();
  let parts: Buffer[] = [];
  let bytes = 0;
  let refused = false;
  const refuse = (cause: unknown): void => {
    refused = true;
    parts = [];
    reject(cause);
  };
  // Everything after a refusal is read and dropped.
  request.on("data", (part: Buffer) => {
    if (refused) return;
    bytes += part.length;
    if (bytes > limit) {
      refuse(
        new BodyTooLarge("resource_exhausted", `the body is larger than ${limit} bytes`, {
          retryDelay: Number.POSITIVE_INFINITY,
        }),
      );
      return;
    }
    try {
      lease.take(part.length);
      parts.push(part);
    } catch (cause) {
      refuse(cause);
    }
  });
  request.once("end", () => resolve(Buffer.concat(parts)));
  request.once("close", () => refuse(new CarillonError("cancelled", "the body was cut off")));
  request.once("error", () => {});
  return promise;
}

/**
 * Answers with JSON; says that the connection ends where the request has not been read to its end.
 * @returns bytes of the body
 */
export function answerJson(request: IncomingMessage, response: ServerResponse, status: number, body: unknown): number {
  const text = `${JSON.stringify(body)}\n`;
  const bytes = Buffer.byteLength(text);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": bytes,
    ...(request.complete ? {} : { connection: "close" }),
  });
  response.end(text);
  return bytes;
}
