import { isUtf8 } from "node:buffer";
import { findJsonExcess } from "../util/json-size.js";

/** JSON helpers for all dialects. JSON.parse accepts any nesting depth; JSON.stringify does not. */

export type Fields = Readonly<Record<string, unknown>>;

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Returns whether a string contains half of a surrogate pair, which UTF-8 cannot encode. */
export function hasLoneSurrogate(text: string): boolean {
  return LONE_SURROGATE.test(text);
}

/** Beginning of every JSON text. Other text need not be parsed, because failing takes longer than parsing. */
const JSON_BEGINNING = /^\s*[[{"\d\-tfn]/;

/**
 * Parses JSON text. Returns undefined for text that is not JSON, or takes too long to parse in one turn of the event loop
 * (rule D10).
 */
export function parseJson(text: string): unknown {
  if (!JSON_BEGINNING.test(text) || findJsonExcess(text) !== undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Returns the reason why {@link parseJson} returns undefined for a text.
 * @param otherwise - the dialect's reason for text that is not JSON
 */
export function explainNoJson(text: string, otherwise: string): string {
  return findJsonExcess(text) ?? otherwise;
}

/** Payload as a JSON value, for dialects whose messages carry such values. */
export interface PayloadValue {
  /** JSON text of a value. */
  readonly text: string;
  /** Whether the value is a string with base64, because the payload is not UTF-8. */
  readonly base64: boolean;
}

/**
 * Converts a payload to a JSON value. JSON text within the limit becomes its value, other text a string, and other bytes
 * base64 (rule D3).
 */
export function payloadValue(payload: Uint8Array): PayloadValue {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (!isUtf8(bytes)) return { text: JSON.stringify(bytes.toString("base64")), base64: true };
  const text = bytes.toString("utf8");
  return { text: parseJson(text) === undefined ? JSON.stringify(text) : text, base64: false };
}

/**
 * Converts a JSON value to the payload that {@link payloadValue} converts back (rule D3). A string becomes its characters,
 * which all dialects can read, unless they are JSON themselves or not valid Unicode. Any other value becomes its JSON text as
 * sent.
 * @param written - returns the value's JSON text
 */
export function payloadOfValue(value: unknown, written: () => string): Uint8Array {
  const plain = typeof value === "string" && !hasLoneSurrogate(value) && parseJson(value) === undefined;
  return Buffer.from(plain ? value : written());
}
