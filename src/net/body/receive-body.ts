import type { Readable } from "node:stream";
import { CarillonError } from "../../errors.js";
import type { ByteLease } from "../byte-budget.js";
import { ChunkQueue } from "./chunk-queue.js";

export interface BodyBounds {
  /** Largest body, in bytes. */
  readonly limit: number;
  /** Counts the body. The caller releases it. */
  readonly lease: ByteLease;
  /** Creates the error for a larger body. */
  readonly tooLarge: (limit: number) => CarillonError;
}

/** Receives a body, or the reason why it is refused. One of both is called, once. */
export interface BodyReceiver {
  readonly onBody: (body: Buffer) => void;
  /** @param cause - CarillonError resource_exhausted: too large, or the node's budget is exhausted; cancelled: incomplete */
  readonly onRefused: (cause: unknown) => void;
}

/** Reads a body like {@link collectBody}. @throws CarillonError as `onRefused` describes it */
export function receiveBody(source: Readable, bounds: BodyBounds): Promise<Buffer> {
  return new Promise((onBody, onRefused) => {
    collectBody(source, bounds, { onBody, onRefused });
  });
}

/**
 * Reads a body by events: leaving an async loop over a request would close its connection before the refusal is sent. The rest
 * of a refused body is read and discarded, so that the caller reads the answer.
 */
export function collectBody(
  source: Readable,
  { lease, limit, tooLarge }: BodyBounds,
  { onBody, onRefused }: BodyReceiver,
): void {
  let first: Buffer | undefined;
  let all: ChunkQueue | undefined;
  let bytes = 0;
  let ended = false;
  const refuse = (cause: unknown): void => {
    ended = true;
    first = undefined;
    all = undefined;
    onRefused(cause);
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
    if (first === undefined) {
      first = chunk;
      return;
    }
    // Chunks of a few bytes would hold much more memory than the lease counts.
    if (all === undefined) {
      all = new ChunkQueue();
      all.push(first);
    }
    all.push(chunk);
  });
  source.on("end", () => {
    if (ended) return;
    ended = true;
    onBody(all === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(all.shift(bytes)));
  });
  source.on("close", () => {
    if (!ended) refuse(new CarillonError("cancelled", "the caller disconnected before the request was complete"));
  });
}
