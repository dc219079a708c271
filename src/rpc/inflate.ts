import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { ByteLease } from "../net/byte-budget.js";
import { withResolvers } from "../util/with-resolvers.js";

/** Decompressors by content encoding. */
const INFLATERS = { br: createBrotliDecompress, deflate: createInflate, gzip: createGunzip } as const;

export type InflatedEncoding = keyof typeof INFLATERS;

/**
 * Bytes counted for the state of one decompressor, before it starts. For Brotli they cover its tables only. Its window of up
 * to 16 MiB is filled before it returns a byte, so only a few Brotli decompressors run at a time.
 */
const STATE_BYTES: Readonly<Record<InflatedEncoding, number>> = { br: 262_144, deflate: 65_536, gzip: 65_536 };

/** Bytes inflated between two checks of the budget; each check costs a round trip to zlib's thread. */
const PIECE_BYTES = 65_536;

/** Lets a limited number of callers run at a time; others wait in order. */
class Semaphore {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param limit - number of callers that may run at a time */
  constructor(limit: number) {
    this.#free = limit;
  }

  /** Resolves when the caller may run. It must call {@link release} afterwards. */
  async acquire(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

/** Maximum number of Brotli decompressors running in this process. Others wait in order. */
const MAX_BROTLI = 2;
const brotli = new Semaphore(MAX_BROTLI);

/** Reason why a message was not inflated. */
export type InflateError = "too large" | "malformed";

export interface InflateBounds {
  /** Maximum number of bytes of the result. */
  readonly limit: number;
  /** Counts each piece of the result as it is made. */
  readonly lease: ByteLease;
}

/**
 * Inflates a message piece by piece, and stops beyond the limit or the lease's budget.
 * @throws CarillonError resource_exhausted: the lease cannot take more
 */
export async function inflate(
  encoding: InflatedEncoding,
  data: Uint8Array,
  { lease, limit }: InflateBounds,
): Promise<Buffer | InflateError> {
  lease.take(STATE_BYTES[encoding]);
  if (encoding !== "br") return run(encoding, data, { lease, limit });
  await brotli.acquire();
  try {
    // The caller has disconnected, so the result is not used.
    if (lease.released) return "malformed";
    return await run(encoding, data, { lease, limit });
  } finally {
    brotli.release();
  }
}

async function run(
  encoding: InflatedEncoding,
  data: Uint8Array,
  { lease, limit }: InflateBounds,
): Promise<Buffer | InflateError> {
  const { promise, reject, resolve } = withResolvers<Buffer | InflateError>();
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
