import { CarillonError } from "../../errors.js";
import { AmbiguousJsonError, isObject, readJson } from "../../util/json.js";

/** Longest token, in characters. */
export const MAX_TOKEN = 8_192;

/** A decoded JWT. */
export interface JwtParts {
  readonly token: string;
  /** Header and claims, as the signature covers them. */
  readonly signedText: string;
  /** In base64url. */
  readonly signature: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** JSON text of the claims, as the issuer wrote it. Contains no duplicate names. */
  readonly claimsText: string;
}

/** JWT types accepted as access tokens. Others, such as logout+jwt, have other uses. Source: RFC 8725 §3.11. */
const TYPES = [undefined, "jwt", "at+jwt", "application/jwt", "application/at+jwt"];

/**
 * Decodes a JWT without verifying it.
 *
 * @param longest - maximum length of the token, in characters
 * @throws CarillonError unauthenticated
 */
export function readJwt(token: string, longest: number = MAX_TOKEN): JwtParts {
  if (token.length > longest) throw tokenRefusal(`longer than ${longest} characters`);
  const parts = /^(([\w-]+)\.([\w-]+))\.([\w-]+)$/.exec(token);
  if (parts === null) throw tokenRefusal("not a signed JWT");
  const [, signedText = "", headerPart = "", claimsPart = "", signature = ""] = parts;
  const { value: header } = readPart(headerPart, "header");
  if (header["crit"] !== undefined) throw tokenRefusal("unsupported extension in its header (crit)");
  const { kid, typ } = header;
  if (kid !== undefined && typeof kid !== "string") throw tokenRefusal("key id (kid) is not a string");
  if (!TYPES.includes(typeof typ === "string" ? typ.toLowerCase() : (typ as undefined))) {
    throw tokenRefusal("wrong type (typ), expected JWT");
  }
  const { text: claimsText, value: claims } = readPart(claimsPart, "claims");
  return { token, signedText, signature, header, claims, claimsText };
}

function readPart(
  part: string,
  what: string,
): { readonly text: string; readonly value: Readonly<Record<string, unknown>> } {
  let text = "";
  let value: unknown;
  try {
    text = decodePart(part);
    value = readJson(text);
  } catch (error) {
    const why = error instanceof AmbiguousJsonError ? error.message : "not JSON";
    throw tokenRefusal(`malformed ${what}: ${why}`);
  }
  if (!isObject(value)) throw tokenRefusal(`malformed ${what}: not a JSON object`);
  return { text, value };
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** @throws TypeError: no base64url or no UTF-8 */
function decodePart(part: string): string {
  // A single character more than whole groups has too few bits for a byte. Node would ignore it.
  if (part.length % 4 === 1) throw new TypeError("not base64url");
  return UTF8.decode(Buffer.from(part, "base64url"));
}

/** Creates the error for an invalid token. The client receives its text. */
export function tokenRefusal(what: string, cause?: unknown): CarillonError {
  return new CarillonError("unauthenticated", `invalid token: ${what}`, { cause });
}
