import type { Status } from "nats";

/** What the server does not let this node do. */
export interface Refusal {
  readonly operation: "publish" | "subscribe";
  readonly subject: string;
}

/** The refusal that an error of the server tells of, if it does. */
export function refusalOf({ permissionContext }: Status): Refusal | undefined {
  if (permissionContext === undefined) return undefined;
  const { operation, subject } = permissionContext;
  return { operation: operation === "publish" ? "publish" : "subscribe", subject: unquote(subject) };
}

/**
 * The server writes the subject as a Go string literal (`%q`), and the library hands that on without the outer quotes:
 * a subject with a quotation mark, a backslash or a character that Go does not print has escapes in it. (For the same
 * reason the library does not find the subscription that was refused, and never tells it.)
 *
 * Source: The Go Programming Language Specification, "Rune literals".
 */
function unquote(text: string): string {
  return text.replace(GO_ESCAPE, (_escape, hex: string | undefined, character: string | undefined) =>
    hex === undefined ? (character ?? "") : String.fromCodePoint(Number.parseInt(hex.slice(1), 16)),
  );
}

/** Control characters have escapes of their own, which are left out here: they are in no topic. */
const GO_ESCAPE = /\\(?:(x[\da-f]{2}|u[\da-f]{4}|U[\da-f]{8})|(["\\]))/g;
