import { createHash } from "node:crypto";

/** Number of hexadecimal digits kept of a SHA-256. Detects accidental damage, not tampering. */
export const CHECK_LENGTH = 16;

/** Computes the check of a line from its text and the check of the preceding line, so that checks form a chain. */
export function computeCheck(text: Uint8Array | string, previous: string): string {
  return createHash("sha256").update(`${previous} `).update(text).digest("hex").slice(0, CHECK_LENGTH);
}
