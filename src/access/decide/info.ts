import { CarillonError, invalidArgument } from "../../errors.js";
import { findJsonFault } from "../../util/find-json-fault.js";
import { isObject } from "../../util/json.js";
import { readMemberNames, removeMembers } from "../../util/raw-json.js";

/**
 * The info of a user is kept as JSON text of an object, as its author wrote it: reading it would lose digits of numbers.
 * This is the info of a user of whom nothing is known.
 */
export const NO_INFO = "{}";

/** Largest info, in bytes of JSON. */
export const MAX_INFO_BYTES = 4_096;

/**
 * Checks the info that a token or a backend gives.
 * @param value - undefined and null for none
 * @param called - its name, for the error
 * @param written - the value's JSON text; undefined: it is written anew
 * @throws CarillonError invalid_argument
 */
export function readInfo(value: unknown, called: string, written?: string): string {
  if (value === undefined || value === null) return NO_INFO;
  const fault = isObject(value) ? findJsonFault(value) : "is not an object";
  if (fault !== undefined) throw invalidArgument(`${called} ${fault}`);
  const text = written ?? JSON.stringify(value);
  checkSize(text, called);
  return text;
}

/** The same for info that is given as JSON text. @throws CarillonError invalid_argument */
export function readInfoText(text: string, called: string): string {
  checkSize(text, called);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CarillonError("invalid_argument", `${called} is not JSON`, { cause });
  }
  return readInfo(value ?? [], called, text.trim());
}

function checkSize(text: string, called: string): void {
  if (Buffer.byteLength(text) > MAX_INFO_BYTES)
    throw invalidArgument(`${called} is larger than ${MAX_INFO_BYTES} bytes`);
}

/** The members of both; of those that both have, the second's. */
export function mergeInfo(info: string, more: string): string {
  const members = [removeMembers(info, readMemberNames(more)), removeMembers(more, [])];
  return `{${members.filter((text) => text !== "").join(",")}}`;
}
