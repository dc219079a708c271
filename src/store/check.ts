import { createHash } from "node:crypto";

/** Hexadecimal digits of a SHA-256: against accidents, not against people. */
export const CHECK_LENGTH = 16;

/** @returns the check of a text that comes after one with the check `previous` */
export function computeCheck(text: Uint8Array | string, previous: string): string {
  return createHash("sha256").update(`${previous} `).update(text).digest("hex").slice(0, CHECK_LENGTH);
}
