import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { ByteLease } from "../net/byte-budget.js";
import { withResolvers } from "../util/with-resolvers.js";
import { Turns } from "./turns.js";

/** By the names that they have in headers. */
const INFLATERS = { br: createBrotliDecompress, deflate: createInflate, gzip: createGunzip } as const;

export type InflatedEncoding = keyof typeof INFLATERS;

/**
 * Counted for the state of one decompressor, from before it runs, in bytes. Brotli's is its tables; its window, of up to
 * 16 MiB, is filled before a byte comes out, and so only few run at a time.
 */
const STATE_BYTES: Readonly<Record<InflatedEncoding, number>> = { br: 262_144, deflate: 65_536, gzip: 65_536 };

/** Bytes that are inflated between two checks of the budget: each costs a turn of a thread. */
const PIECE_BYTES = 65_536;

/** Brotli decompressors of this process that may run at a time; others wait, in order. */
const MOST_BROTLI = 2;
const brotliTurns = new Turns(MOST_BROTLI);

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
  lease.take(STATE_BYTES[encoding]);
  if (encoding !== "br") return run(encoding, data, { lease, limit });
  await brotliTurns.take();
  try {
    // Nobody waits for the result, whatever it is called.
    if (lease.released) return "malformed";
    return await run(encoding, data, { lease, limit });
  } finally {
    brotliTurns.give();
  }
}

async function run(
  encoding: InflatedEncoding,
  data: Uint8Array,
  { lease, limit }: InflateBounds,
): Promise<Buffer | InflateFault> {
  const { promise, reject, resolve } = withResolvers<Buffer | InflateFault>();
  const inflater = INFLATERS[encoding]({ chunkSize: PIECE_BYTES });
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
    lease.give(STATE_BYTES[encoding]);
  }
}
