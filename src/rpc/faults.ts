import { isNativeError } from "node:util/types";
import { CarillonError } from "../errors.js";

/** Told of an error that is no refusal but a fault of ours; its text does not go to the caller. */
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
 * Longest text of an error that is sent, in characters. Texts quote what was asked for, and gRPC sends them in a header:
 * one beyond what a peer takes (16 KiB is common) would cost it the status, or the whole connection.
 */
const MAX_TEXT = 1_024;

/** The error to answer with, of whatever an implementation has thrown. Both mounts say this one. */
export function answerable(cause: unknown, onFault: OnFault): CarillonError {
  const error = CarillonError.from(cause);
  if (error.code === "internal") onFault(cause);
  return error.message.length <= MAX_TEXT ? error : new CarillonError(error.code, clipped(error.message), { cause });
}

/** Cut between characters: half of a surrogate pair cannot be encoded. */
function clipped(text: string): string {
  const end = /[\uD800-\uDBFF]/.test(text.charAt(MAX_TEXT - 1)) ? MAX_TEXT - 1 : MAX_TEXT;
  return `${text.slice(0, end)}…`;
}
