import type { Readable } from "node:stream";
import { CarillonError } from "../errors.js";
import { withResolvers } from "../util/with-resolvers.js";
import type { ByteLease } from "./byte-budget.js";

export interface BodyBounds {
  /** Largest body, in bytes. */
  readonly limit: number;
  /** Counts the body. The caller releases it. */
  readonly lease: ByteLease;
  /** Creates the error for a larger body. */
  readonly tooLarge: (limit: number) => CarillonError;
}

/**
 * Reads a body by events: leaving an async loop over a request would close its connection before the refusal is sent. The rest
 * of a refused body is read and discarded, so that the caller reads the answer.
 * @throws CarillonError resource_exhausted: too large, or the node's budget is exhausted; cancelled: incomplete
 */
export function receiveBody(source: Readable, { lease, limit, tooLarge }: BodyBounds): Promise<Buffer> {
  const { promise, reject, resolve } = withResolvers<Buffer>();
  let first: Buffer | undefined;
  let rest: Buffer[] | undefined;
  let bytes = 0;
  let ended = false;
  const refuse = (cause: unknown): void => {
    ended = true;
    first = undefined;
    rest = undefined;
    reject(cause);
  };
  source.on("data", (chunk: Buffer) => {
    if (ended) return;
    bytes += chunk.length;
    if (bytes > limit) {
      refuse(tooLarge(limit));
      return;
    }
    try {
      lease.take(chunk.length);
    } catch (cause) {
      refuse(cause);
      return;
    }
    if (first === undefined) first = chunk;
    else (rest ??= [first]).push(chunk);
  });
  source.once("end", () => {
    ended = true;
    resolve(rest === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(rest));
  });
  source.once("close", () => {
    if (!ended) refuse(new CarillonError("cancelled", "the caller disconnected before the request was complete"));
  });
  return promise;
}
