import type { HeaderField } from "./hpack/header-field.js";

/** Pseudo-header fields of requests. Source: RFC 9113, section 8.3.1. */
const PSEUDO: ReadonlySet<string> = new Set([":authority", ":method", ":path", ":scheme"]);

/** Fields that concern a connection of HTTP/1. Source: RFC 9113, section 8.2.2. */
const CONNECTION: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** A regular name: visible ASCII without capitals and colons (RFC 9113, section 8.2.1). */
const NAME = /^[!-9;-@[-~]+$/;

const TAB = 0x09;
const SPACE = 0x20;

/** Returns whether the fields of a request are well-formed: the pseudo-header fields come first (RFC 9113, section 8.3). */
export function isRequestValid(fields: readonly HeaderField[]): boolean {
  const pseudo = new Map<string, string>();
  let isRegular = false;
  for (const field of fields) {
    const { name, value } = field;
    if (!name.startsWith(":")) {
      if (!isFieldValid(field)) return false;
      isRegular = true;
      continue;
    }
    if (isRegular || !PSEUDO.has(name) || pseudo.has(name) || !isTrimmedText(value)) return false;
    pseudo.set(name, value);
  }
  return hasTarget(pseudo);
}

/** Returns whether trailers are well-formed. They have no pseudo-header fields (RFC 9113, section 8.1). */
export function areTrailersValid(fields: readonly HeaderField[]): boolean {
  return fields.every(isFieldValid);
}

/**
 * Reads the size of a request's body in bytes (RFC 9110, section 8.6).
 * @returns undefined if there is none; NaN if it is invalid, or there are different ones
 */
export function readContentLength(fields: readonly HeaderField[]): number | undefined {
  let length: number | undefined;
  for (const { name, value } of fields) {
    if (name !== "content-length") continue;
    const next = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (length !== undefined && length !== next) return Number.NaN;
    length = next;
  }
  return length;
}

/** Returns whether a request has the pseudo-header fields that it needs (RFC 9113, section 8.3.1). */
function hasTarget(pseudo: ReadonlyMap<string, string>): boolean {
  const method = pseudo.get(":method") ?? "";
  if (method === "") return false;
  // CONNECT has neither scheme nor path (RFC 9113, section 8.5).
  if (method === "CONNECT") return !pseudo.has(":scheme") && !pseudo.has(":path") && pseudo.has(":authority");
  return (pseudo.get(":scheme") ?? "") !== "" && (pseudo.get(":path") ?? "") !== "";
}

/** Returns whether a regular field is valid. TE may only be "trailers" (RFC 9113, section 8.2.2). */
function isFieldValid({ name, value }: HeaderField): boolean {
  return NAME.test(name) && isText(value) && !CONNECTION.has(name) && (name !== "te" || value === "trailers");
}

/** Returns whether a value has neither NUL and line breaks nor space around it (RFC 9113, section 8.2.1). */
function isTrimmedText(value: string): boolean {
  return isText(value) && !isSpace(value.charCodeAt(0)) && !isSpace(value.charCodeAt(value.length - 1));
}

/**
 * Returns whether a value has neither NUL nor line breaks (RFC 9113, section 8.2.1). Space around it makes a request malformed,
 * too, but gRPC clients send it, and gRPC allows it (gRPC over HTTP/2, Custom-Metadata). Node accepts it likewise.
 */
function isText(value: string): boolean {
  // A block of a few bytes may refer to 60 KB of text, which this searches much faster than a loop.
  return !value.includes("\0") && !value.includes("\n") && !value.includes("\r");
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}
