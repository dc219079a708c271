import { CarillonError, invalidArgument } from "../../errors.js";
import { findJsonProblem } from "../../util/find-json-problem.js";
import { isObject } from "../../util/json.js";
import { readMemberNames, removeMembers } from "../../util/raw-json.js";

/**
 * Info of a user who has none. Info is kept as the JSON text that its author wrote, because parsing would lose digits of
 * large numbers.
 */
export const NO_INFO = "{}";

/** Largest info, in bytes of JSON. */
export const MAX_INFO_BYTES = 4_096;

/**
 * Checks info from a token or a backend.
 * @param value - undefined or null for none
 * @param name - used in the error
 * @param jsonText - JSON text of the value; default: `JSON.stringify(value)`
 * @throws CarillonError invalid_argument
 */
export function readInfo(value: unknown, name: string, jsonText?: string): string {
  if (value === undefined || value === null) return NO_INFO;
  const problem = isObject(value) ? findJsonProblem(value) : "is not an object";
  if (problem !== undefined) throw invalidArgument(`${name} ${problem}`);
  const text = jsonText ?? JSON.stringify(value);
  checkSize(text, name);
  return text;
}

/** Checks info given as JSON text. @throws CarillonError invalid_argument */
export function readInfoText(text: string, name: string): string {
  checkSize(text, name);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CarillonError("invalid_argument", `${name} is not JSON`, { cause });
  }
  return readInfo(value ?? [], name, text.trim());
}

function checkSize(text: string, name: string): void {
  if (Buffer.byteLength(text) > MAX_INFO_BYTES) throw invalidArgument(`${name} is larger than ${MAX_INFO_BYTES} bytes`);
}

/** Merges the members of both objects. Members of `overrides` replace those of the same name. */
export function mergeInfo(info: string, overrides: string): string {
  const members = [removeMembers(info, readMemberNames(overrides)), removeMembers(overrides, [])];
  return `{${members.filter((text) => text !== "").join(",")}}`;
}
