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

/**
 * Characters that need no encoding: from space to tilde, apart from the percent sign. Source: gRPC over HTTP/2,
 * Percent-Encoded. A header field cannot begin or end with a space (RFC 9113, section 8.2.1).
 */
const UNENCODED = /^(?! )[ -$&-~]*(?<! )$/;
const ENCODED = /^ | $|[^ -$&-~]/gu;

/** Encodes a text as gRPC does. Half of a surrogate pair becomes U+FFFD. */
export function percentEncode(text: string): string {
  return UNENCODED.test(text) ? text : text.replaceAll(ENCODED, encodeCharacter);
}

function encodeCharacter(character: string): string {
  return Buffer.from(character).toString("hex").toUpperCase().replaceAll(/../g, "%$&");
}
