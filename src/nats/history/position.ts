import { createHash } from "node:crypto";

/**
 * Positions in a topic's log (rule N13). A message's position is its sequence and a fingerprint of the message; the position of
 * a topic without messages is the sequence of an anchor and a fingerprint of the anchor and the topic. Both prove themselves:
 * they are valid only while the message at the sequence is stored and is still the same.
 */

/** A position's parts. Its fingerprint is verified by comparing the whole text. */
export interface ParsedPosition {
  readonly kind: "message" | "anchor";
  readonly sequence: number;
}

const FORM = /^(?<kind>[na])\.(?<sequence>[0-9a-z]{1,11})\.[\w-]{16}$/;

/** Where a message is stored. */
export interface StreamAddress {
  readonly stream: string;
  /** Subject on which the topic's messages are stored. */
  readonly subject: string;
}

/** Parses a position, without checking that it is valid; undefined for other text. */
export function parsePosition(text: string): ParsedPosition | undefined {
  const groups = FORM.exec(text)?.groups;
  if (groups === undefined) return undefined;
  const sequence = Number.parseInt(groups["sequence"] ?? "", 36);
  if (!Number.isSafeInteger(sequence) || sequence === 0) return undefined;
  return { kind: groups["kind"] === "n" ? "message" : "anchor", sequence };
}

/**
 * Creates the position of a message.
 * @param identity - text that tells the message from others with the same payload
 */
export function createMessagePosition(
  { stream, subject }: StreamAddress,
  sequence: number,
  identity: string,
  payload: Uint8Array,
): string {
  const hash = createHash("sha256");
  hash.update(`message\n${stream}\n${subject}\n${sequence}\n${identity}\n`);
  return `n.${sequence.toString(36)}.${hash.update(payload).digest("base64url").slice(0, 16)}`;
}

/**
 * Creates the position of a topic that has no messages after an anchor.
 * @param anchor - sequence and random id of the anchor
 */
export function createAnchorPosition(
  { stream, subject }: StreamAddress,
  { id, sequence }: { readonly id: string; readonly sequence: number },
): string {
  const hash = createHash("sha256").update(`anchor\n${stream}\n${subject}\n${sequence}\n${id}`);
  return `a.${sequence.toString(36)}.${hash.digest("base64url").slice(0, 16)}`;
}
