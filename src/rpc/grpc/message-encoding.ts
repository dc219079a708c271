import { CarillonError } from "../../errors.js";
import type { InflatedEncoding } from "../inflate.js";

/** Compressions that a server can inflate. Source: gRPC over HTTP/2, Content-Coding. */
const ENCODINGS: ReadonlySet<string> = new Set(["deflate", "gzip"]);

const NO_ENCODING = "identity";

/** Value of the header `grpc-accept-encoding` in answers. */
export const ACCEPTED_ENCODINGS = [NO_ENCODING, ...ENCODINGS].join(",");

/**
 * Reads the header `grpc-encoding`.
 * @param header - undefined if it is missing
 * @param compression - whether the method accepts compressed messages
 * @returns undefined for messages without compression
 * @throws CarillonError unimplemented: a compression that the method does not accept
 */
export function readEncoding(header: string | undefined, compression: boolean): InflatedEncoding | undefined {
  const encoding = header ?? NO_ENCODING;
  if (encoding === NO_ENCODING) return undefined;
  if (compression && isSupported(encoding)) return encoding;
  const accepted = compression ? [NO_ENCODING, ...ENCODINGS].join(", ") : NO_ENCODING;
  throw new CarillonError(
    "unimplemented",
    `grpc-encoding: ${JSON.stringify(encoding)} is not supported; supported: ${accepted}`,
  );
}

function isSupported(encoding: string): encoding is InflatedEncoding {
  return ENCODINGS.has(encoding);
}
