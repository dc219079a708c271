import { CarillonError } from "../../errors.js";
import { isObject, readJson } from "../../util/json.js";

/** Longest token, in characters. */
export const MAX_TOKEN = 8_192;

export interface JwtParts {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** JSON text of the claims, as the issuer wrote it. No object in it names a member twice. */
  readonly claimsText: string;
}

/** Kinds of JWT that say whom their bearer acts for. Others (logout+jwt, dpop+jwt) are for something else: RFC 8725 §3.11. */
const TYPES = [undefined, "jwt", "at+jwt", "application/jwt", "application/at+jwt"];

/**
 * Reads what a JWT says, whoever has made it: nothing is verified.
 *
 * @param longest - in characters
 * @throws CarillonError unauthenticated
 */
export function readJwt(token: string, longest: number = MAX_TOKEN): JwtParts {
  if (token.length > longest) throw tokenRefusal(`it is longer than ${longest} characters`);
  const parts = /^([\w-]+)\.([\w-]+)\.[\w-]+$/.exec(token);
  if (parts === null) throw tokenRefusal("it is not a signed JWT");
  const { value: header } = readPart(parts[1] ?? "", "header");
  if (header["crit"] !== undefined) throw tokenRefusal("its header asks for an extension (crit)");
  const { kid, typ } = header;
  if (kid !== undefined && typeof kid !== "string") throw tokenRefusal("its key id (kid) is not a string");
  if (!TYPES.includes(typeof typ === "string" ? typ.toLowerCase() : (typ as undefined))) {
    throw tokenRefusal("its type (typ) is not JWT");
  }
  const { text: claimsText, value: claims } = readPart(parts[2] ?? "", "claims");
  return { header, claims, claimsText };
}

function readPart(
  part: string,
  what: string,
): { readonly text: string; readonly value: Readonly<Record<string, unknown>> } {
  let text = "";
  let value: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(part, "base64url"));
    value = readJson(text);
  } catch (error) {
    const why = error instanceof Error && error.message.startsWith("it ") ? error.message : "it is not JSON";
    throw tokenRefusal(`its ${what} cannot be read: ${why}`);
  }
  if (!isObject(value)) throw tokenRefusal(`its ${what} is not a JSON object`);
  return { text, value };
}

/** A refusal whose text the client gets: what is wrong with its token. */
export function tokenRefusal(what: string, cause?: unknown): CarillonError {
  return new CarillonError("unauthenticated", `the token was refused: ${what}`, { cause });
}
