import { isNativeError } from "node:util/types";
import { CarillonError } from "../errors.js";

/** Told of an error that is a fault of this server and not a refusal; its text does not go to the caller. */
export type OnFault = (cause: unknown) => void;

/** Codes of errors that a connection ends with when its peer goes away while it is read or written. */
const DISCONNECTS: ReadonlySet<unknown> = new Set([
  "ECONNABORTED",
  "ECONNRESET",
  "EPIPE",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_WRITE_AFTER_END",
  "ETIMEDOUT",
]);

/** Whether the error, or one that caused it, says that the peer is gone. */
export function isDisconnect(cause: unknown): boolean {
  for (let error = cause; isNativeError(error); error = error.cause) {
    if (error.name === "AbortError" || ("code" in error && DISCONNECTS.has(error.code))) return true;
  }
  return false;
}

/**
 * Longest text of an error that is sent, in UTF-16 code units, and in bytes as gRPC percent-encodes it. Texts quote what was
 * asked for, and gRPC sends them in a header, beside their details: clients in C++, Python, Ruby, PHP, C# and Java take 8 KiB
 * of headers, and lose the status with one byte more.
 */
const MAX_TEXT = 1_024;
const MAX_ENCODED = 3_072;

/** No code unit takes more when it is encoded. */
const MAX_UNIT = 9;

/** The error to answer with, of whatever an implementation has thrown. Both mounts say this one. */
export function answerable(cause: unknown, onFault: OnFault): CarillonError {
  const error = CarillonError.from(cause);
  if (error.code === "internal") onFault(cause);
  const { code, message, retryDelay } = error;
  if (message.length * MAX_UNIT <= MAX_ENCODED) return error;
  const text = bounded(message);
  return text === message ? error : new CarillonError(code, text, { cause, retryDelay });
}

/** Cut between characters: half of a surrogate pair cannot be encoded. */
function bounded(message: string): string {
  const text = Buffer.from(message.slice(0, MAX_TEXT + 1)).toString();
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += encodeURI(character).length;
    if (bytes > MAX_ENCODED || end + character.length > MAX_TEXT) return `${text.slice(0, end)}…`;
    end += character.length;
  }
  return message;
}
