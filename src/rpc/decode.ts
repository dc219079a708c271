import { type DescMessage, fromBinary, fromJsonString, type Message } from "@bufbuild/protobuf";
import type { CarillonError } from "../errors.js";
import { errorText } from "../util/native-error.js";
import { malformedRequest } from "./call-errors.js";
import { findJsonMessageExcess, findMessageExcess } from "./request-weight.js";

/** Fields unknown to this version are skipped (rule R10) and not kept. */
export const READ_OPTIONS = { readUnknownFields: false } as const;

/** @throws CarillonError invalid_argument: the bytes are not a message of this type, or have too many fields (rule E10) */
export function decodeMessage(type: DescMessage, bytes: Uint8Array): Message {
  try {
    checkWeight(findMessageExcess(type, bytes));
    return fromBinary(type, bytes, READ_OPTIONS);
  } catch (cause) {
    throw undecodable(cause);
  }
}

/**
 * @param explain - adds advice to the reason for a failure
 * @throws CarillonError invalid_argument: the text is not JSON or not a message of this type, or has too many fields (rule E10)
 */
export function decodeJson(type: DescMessage, text: string, explain: (reason: string) => string): Message {
  try {
    checkWeight(findJsonMessageExcess(type, text));
    return fromJsonString(type, text, { ignoreUnknownFields: true });
  } catch (cause) {
    throw malformedRequest(explain(errorText(cause)), cause);
  }
}

/** @throws Error with the text of `excess`, if there is one */
export function checkWeight(excess: string | undefined): void {
  if (excess !== undefined) throw new Error(excess);
}

/** Error for a request that cannot be decoded. */
export function undecodable(cause: unknown): CarillonError {
  return malformedRequest(errorText(cause), cause);
}
