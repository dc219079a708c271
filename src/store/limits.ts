import { CarillonError } from "../errors.js";

const KEY = /^[\w=-]+(?:\/[\w=-]+)*$/;
const PREFIX = /^(?:[\w=-]+\/)*[\w=-]*$/;

/** Most characters of a key; NATS reads a subject from a line of at most 4 KiB. */
const LONGEST_KEY = 1_024;
/** Most bytes of a value. The same for every driver, so that what one takes the others take. */
const LARGEST_VALUE = 64 << 10;

/** @throws CarillonError invalid_argument */
export function checkKey(key: string): void {
  if (key.length > LONGEST_KEY || !KEY.test(key)) throw malformed("key", key);
}

/** @throws CarillonError invalid_argument */
export function checkPrefix(prefix: string): void {
  if (prefix.length > LONGEST_KEY || !PREFIX.test(prefix)) throw malformed("prefix", prefix);
}

/** @throws CarillonError invalid_argument; without the value, which may be a secret */
export function checkValue(key: string, value: string): void {
  const size = Buffer.byteLength(value);
  if (size <= LARGEST_VALUE) return;
  const text = `the value of store entry ${key} has ${size} bytes, the limit is ${LARGEST_VALUE}`;
  throw new CarillonError("invalid_argument", text);
}

function malformed(what: string, text: string): CarillonError {
  const shown = JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
  return new CarillonError("invalid_argument", `malformed ${what} of a store entry: ${shown}`);
}
