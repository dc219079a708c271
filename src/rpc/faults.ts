import { isNativeError } from "node:util/types";
import { CarillonError } from "../errors.js";

/** Receives errors that are faults of this server. Their text is not sent to the caller. */
export type OnFault = (cause: unknown) => void;

/** Error codes with which a connection ends when its peer disconnects during a read or write. */
const DISCONNECTS: ReadonlySet<unknown> = new Set([
  "ECONNABORTED",
  "ECONNRESET",
  "EPIPE",
  "ERR_STREAM_DESTROYED",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_WRITE_AFTER_END",
  "ETIMEDOUT",
]);

/** Returns whether the error, or one of its causes, says that the peer has disconnected. */
export function isDisconnect(cause: unknown): boolean {
  for (let error = cause; isNativeError(error); error = error.cause) {
    if (error.name === "AbortError" || ("code" in error && DISCONNECTS.has(error.code))) return true;
  }
  return false;
}

/**
 * Largest error text sent, in UTF-16 code units, and in bytes after gRPC's percent-encoding. Texts quote parts of the
 * request, and gRPC sends them in a header beside their details. Clients in C++, Python, Ruby, PHP, C# and Java accept 8 KiB
 * of headers. They lose the status when the headers are larger.
 */
const MAX_TEXT = 1_024;
const MAX_ENCODED = 3_072;

/** Maximum number of bytes of one encoded code unit. */
const MAX_UNIT = 9;

/** Bytes of each encoded ASCII character. Texts quote what strangers send, so they are measured without encoding them. */
const ASCII_BYTES = Uint8Array.from({ length: 128 }, (_, code) => encodeURI(String.fromCodePoint(code)).length);

/** Converts any thrown value to the error for the caller, and reports faults of this server. */
export function toCallerError(cause: unknown, onFault: OnFault): CarillonError {
  const error = CarillonError.from(cause);
  if (error.code === "internal") onFault(cause);
  const { code, message, retryDelay } = error;
  if (message.length * MAX_UNIT <= MAX_ENCODED) return error;
  const text = truncate(message);
  return text === message ? error : new CarillonError(code, text, { cause, retryDelay });
}

/** Cuts the text between characters, because half of a surrogate pair cannot be encoded. */
function truncate(message: string): string {
  const text = Buffer.from(message.slice(0, MAX_TEXT + 1)).toString();
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += countEncodedBytes(character.codePointAt(0) ?? 0);
    if (bytes > MAX_ENCODED || end + character.length > MAX_TEXT) return `${text.slice(0, end)}…`;
    end += character.length;
  }
  return message;
}

/** @param code - code point, not half of a surrogate pair */
function countEncodedBytes(code: number): number {
  const ascii = ASCII_BYTES[code];
  if (ascii !== undefined) return ascii;
  if (code < 0x8_00) return 6;
  return code < 0x1_00_00 ? 9 : 12;
}
