import { type CarillonError, invalidArgument } from "../errors.js";

const KEY = /^[\w=-]+(?:\/[\w=-]+)*$/;
const PREFIX = /^(?:[\w=-]+\/)*[\w=-]*$/;

/** Maximum number of characters in a key. NATS reads a subject from a line of at most 4 KiB. */
const MAX_KEY_LENGTH = 1_024;
/** Maximum number of bytes in a value; the same for every driver, so that drivers are interchangeable. */
const MAX_VALUE_BYTES = 64 << 10;

/** @throws CarillonError invalid_argument */
export function checkKey(key: string): void {
  if (key.length > MAX_KEY_LENGTH || !KEY.test(key)) throw createMalformedError("key", key);
}

/** @throws CarillonError invalid_argument */
export function checkPrefix(prefix: string): void {
  if (prefix.length > MAX_KEY_LENGTH || !PREFIX.test(prefix)) throw createMalformedError("prefix", prefix);
}

/** @throws CarillonError invalid_argument; the text omits the value, which may be a secret */
export function checkValue(key: string, value: string): void {
  const size = Buffer.byteLength(value);
  if (size <= MAX_VALUE_BYTES) return;
  const text = `value too large for store entry ${key}: ${size} bytes, the limit is ${MAX_VALUE_BYTES}`;
  throw invalidArgument(text);
}

function createMalformedError(what: string, text: string): CarillonError {
  const shown = JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
  return invalidArgument(`malformed store ${what}: ${shown}`);
}
