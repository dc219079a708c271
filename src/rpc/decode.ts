import { type DescMessage, fromBinary, fromJsonString, type Message } from "@bufbuild/protobuf";
import { CarillonError } from "../errors.js";
import { errorText } from "../util/native-error.js";
import { findJsonMessageExcess, findMessageExcess } from "./request-weight.js";

/** Fields that this version does not know are skipped (rule R10), and nobody asks for them later. */
export const READ_OPTIONS = { readUnknownFields: false } as const;

/** @throws CarillonError invalid_argument: the bytes are no message of this type, or it has too many fields (rule E10) */
export function decodeMessage(type: DescMessage, bytes: Uint8Array): Message {
  try {
    checkWeight(findMessageExcess(type, bytes));
    return fromBinary(type, bytes, READ_OPTIONS);
  } catch (cause) {
    throw undecodable(cause);
  }
}

/**
 * @param explain - adds advice to the reason of a failure
 * @throws CarillonError invalid_argument: the text is no JSON, or no message of this type, or it has too many fields (rule E10)
 */
export function decodeJson(type: DescMessage, text: string, explain: (reason: string) => string): Message {
  try {
    checkWeight(findJsonMessageExcess(type, text));
    return fromJsonString(type, text, { ignoreUnknownFields: true });
  } catch (cause) {
    const reason = errorText(cause);
    throw new CarillonError("invalid_argument", `the request cannot be decoded: ${explain(reason)}`, { cause });
  }
}

/** @throws Error where there is an excess */
export function checkWeight(excess: string | undefined): void {
  if (excess !== undefined) throw new Error(excess);
}

/** What a request is refused with whose bytes are none. */
export function undecodable(cause: unknown): CarillonError {
  return new CarillonError("invalid_argument", `the request cannot be decoded: ${errorText(cause)}`, { cause });
}
