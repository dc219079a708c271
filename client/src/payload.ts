import type { Frame } from "./types.js";

/**
 * Reads the payload of a message or an answer. JSON that is invalid is passed as text.
 * @returns the data, and the payload as text, or as bytes if it is not UTF-8
 */
export function decodePayload({ encoding, payload }: Frame, format = "json"): [unknown, string | Uint8Array] {
  const text = payload as string;
  if (encoding) {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    return [bytes, bytes];
  }
  try {
    if (format === "json") return [JSON.parse(text), text];
  } catch {
    // A backend has published plain text.
  }
  return [text, text];
}

/** Writes data as the text of a payload. @throws TypeError for data that is not JSON, or not text */
export function encodePayload(data: unknown, format = "json"): string {
  const text: unknown = format === "json" ? JSON.stringify(data) : data;
  if (typeof text !== "string") throw new TypeError(`the data is not ${format}`);
  return text;
}
