import { isUtf8 } from "node:buffer";
import { findJsonExcess } from "../util/json-size.js";

/** JSON helpers of every dialect. JSON.parse takes any depth; JSON.stringify does not. */

export type Fields = Readonly<Record<string, unknown>>;

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether a string holds half of a surrogate pair, which UTF-8 cannot encode. */
export function hasLoneSurrogate(text: string): boolean {
  return LONE_SURROGATE.test(text);
}

/** The value of JSON text; undefined for text that is not JSON, or too much of it to be parsed in one turn (rule D10). */
export function parseJson(text: string): unknown {
  if (findJsonExcess(text) !== undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Reason why {@link parseJson} has no value for a text.
 * @param otherwise - the dialect's words for text that is not JSON
 */
export function explainNoJson(text: string, otherwise: string): string {
  return findJsonExcess(text) ?? otherwise;
}

/** A payload in a dialect whose messages carry JSON values. */
export interface PayloadValue {
  /** JSON text of a value. */
  readonly text: string;
  /** Whether it is a string that holds bytes which are not UTF-8, as base64. */
  readonly base64: boolean;
}

/** A payload as a JSON value: JSON text within the bound is its value, other text a string, other bytes base64 (rule D3). */
export function payloadValue(payload: Uint8Array): PayloadValue {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (!isUtf8(bytes)) return { text: JSON.stringify(bytes.toString("base64")), base64: true };
  const text = bytes.toString("utf8");
  return { text: parseJson(text) === undefined ? JSON.stringify(text) : text, base64: false };
}

/**
 * The payload that {@link payloadValue} turns back into a value (rule D3): the characters of a string, so that all dialects read
 * it, unless they are JSON themselves or not valid Unicode; anything else as the JSON text that was sent.
 * @param written - makes the value's JSON text
 */
export function payloadOfValue(value: unknown, written: () => string): Uint8Array {
  const plain = typeof value === "string" && !hasLoneSurrogate(value) && parseJson(value) === undefined;
  return Buffer.from(plain ? value : written());
}
