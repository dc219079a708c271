import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { ByteLease } from "../net/byte-budget.js";
import { withResolvers } from "../util/with-resolvers.js";

/** Counted for the state of one decompressor, in bytes: its window and its tables. */
const STATE_BYTES = 131_072;

/** By the names that they have in headers. */
const INFLATERS = { br: createBrotliDecompress, deflate: createInflate, gzip: createGunzip } as const;

export type InflatedEncoding = keyof typeof INFLATERS;

/** Why a message was not inflated. */
export type InflateFault = "too large" | "malformed";

export interface InflateBounds {
  /** Most bytes of the result. */
  readonly limit: number;
  /** Counts each piece of the result as it is made. */
  readonly lease: ByteLease;
}

/**
 * Inflates a message piece by piece: nothing is made that is beyond the limit, or that the lease has no room for.
 * @throws CarillonError resource_exhausted: the lease cannot take more
 */
export async function inflate(
  encoding: InflatedEncoding,
  data: Uint8Array,
  { lease, limit }: InflateBounds,
): Promise<Buffer | InflateFault> {
  lease.take(STATE_BYTES);
  const { promise, reject, resolve } = withResolvers<Buffer | InflateFault>();
  const inflater = INFLATERS[encoding]();
  const pieces: Buffer[] = [];
  let bytes = 0;
  inflater.on("data", (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > limit) {
      resolve("too large");
      inflater.destroy();
      return;
    }
    try {
      lease.take(piece.length);
      pieces.push(piece);
    } catch (cause) {
      reject(cause);
      inflater.destroy();
    }
  });
  inflater.once("end", () => resolve(Buffer.concat(pieces, bytes)));
  inflater.once("error", () => resolve("malformed"));
  inflater.end(data);
  try {
    return await promise;
  } finally {
    inflater.destroy();
    lease.give(STATE_BYTES);
  }
}
