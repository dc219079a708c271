import type { IncomingMessage, ServerResponse } from "node:http";
import { CarillonError } from "../errors.js";
import { withResolvers } from "../util/with-resolvers.js";

/** What the HTTP interfaces of the older systems have in common. */

/** JSON, and how it is written. */
export interface Written {
  readonly text: string;
  readonly value: unknown;
}

/**
 * The JSON of a request's body.
 * @param limit - most bytes
 * @throws CarillonError invalid_argument: no JSON, or not UTF-8. resource_exhausted: too large. cancelled: it was cut off
 */
export async function readWritten(request: IncomingMessage, limit: number): Promise<Written> {
  const body = await readBody(request, limit);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    return { text, value: JSON.parse(text) };
  } catch (cause) {
    throw new CarillonError("invalid_argument", "the body is not JSON", { cause });
  }
}

/** By events: to leave a loop over the request would cut the connection that the refusal has to be sent on. */
function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const { promise, reject, resolve } = withResolvers<Buffer>();
  const parts: Buffer[] = [];
  let bytes = 0;
  request.on("data", (part: Buffer) => {
    bytes += part.length;
    if (bytes <= limit) parts.push(part);
    else reject(new CarillonError("resource_exhausted", `the body is larger than ${limit} bytes`));
  });
  request.once("end", () => resolve(Buffer.concat(parts)));
  request.once("close", () => reject(new CarillonError("cancelled", "the body was cut off")));
  request.once("error", () => {});
  return promise;
}

/** Answers with JSON; says that the connection ends where the request has not been read to its end. */
export function answerJson(request: IncomingMessage, response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    ...(request.complete ? {} : { connection: "close" }),
  });
  response.end(text);
}
