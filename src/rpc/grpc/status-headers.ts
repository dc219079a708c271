import type { DescMessage } from "@bufbuild/protobuf";
import { type CarillonError, GRPC_STATUS } from "../../errors.js";
import { encodeStatus, errorDetails } from "../error-details.js";
import { ACCEPTED_ENCODINGS } from "./message-encoding.js";

/** Trailer for google.rpc.Status, by the convention of gRPC's libraries. */
export const STATUS_DETAILS = "grpc-status-details-bin";

/**
 * Encodes an error as the trailers of an answer.
 * @param type - the request's type; undefined if unknown
 */
export function statusTrailers(error: CarillonError, type?: DescMessage): Record<string, string> {
  const details = encodeDetails(error, type);
  return {
    "grpc-status": String(GRPC_STATUS[error.code]),
    "grpc-message": percentEncode(error.message),
    ...(details !== undefined && { [STATUS_DETAILS]: details.toString("base64") }),
  };
}

/** Encodes an error as the headers of an answer without messages. */
export function statusHeaders(error: CarillonError, type?: DescMessage): Record<string, string> {
  return {
    ":status": "200",
    "content-type": "application/grpc+proto",
    ...statusTrailers(error, type),
    "grpc-accept-encoding": ACCEPTED_ENCODINGS,
  };
}

/** Encodes the details of an error as google.rpc.Status; undefined if it has none. */
export function encodeDetails(error: CarillonError, type: DescMessage | undefined): Buffer | undefined {
  const details = errorDetails(error, type);
  return details.length === 0 ? undefined : Buffer.from(encodeStatus(error, details));
}

const SPACE = 0x20;

/**
 * Encoding of each byte of UTF-8. Those from space to tilde, apart from the percent sign, need none. Source: gRPC over HTTP/2,
 * Percent-Encoded.
 */
const ENCODED_BYTES = Array.from({ length: 256 }, (_, byte) =>
  byte >= SPACE && byte <= 0x7e && byte !== 0x25 ? String.fromCodePoint(byte) : encodeByte(byte),
);

/** Texts that need no encoding. A header field cannot begin or end with a space (RFC 9113, section 8.2.1). */
const UNENCODED = /^(?! )[ -$&-~]*(?<! )$/;

/** Encodes a text as gRPC does. Half of a surrogate pair becomes U+FFFD. */
export function percentEncode(text: string): string {
  if (UNENCODED.test(text)) return text;
  const bytes = Buffer.from(text);
  const last = bytes.length - 1;
  let encoded = "";
  for (let at = 0; at <= last; at += 1) {
    const byte = bytes[at] as number;
    encoded += byte === SPACE && (at === 0 || at === last) ? encodeByte(SPACE) : ENCODED_BYTES[byte];
  }
  return encoded;
}

function encodeByte(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}
