import { CarillonError } from "../../errors.js";
import { isObject } from "../../util/json.js";
import { findValueText } from "../../util/raw-json.js";
import { ACTIONS, type Action } from "../decide/actions.js";
import { Permissions } from "../decide/permissions.js";
import { EXPRESSION } from "../patterns/pattern.js";

/** Names of the claims. A dotted name is a path into nested objects, unless a claim has that exact name. */
export interface ClaimNames {
  readonly user: string;
  readonly permissions: string;
  readonly info: string;
  /** Time of issue: seconds since the epoch, or ISO 8601. Undefined for no such claim. */
  readonly issued_at?: string | undefined;
  /** Lifetime of the token in seconds, from its time of issue. */
  readonly expires_in?: string | undefined;
}

export const DEFAULT_CLAIMS: ClaimNames = { user: "sub", permissions: "permissions", info: "info" };

/** Longest id of a user, in bytes of UTF-8. */
export const MAX_USER_BYTES = 255;
/** Maximum number of patterns in a set of permissions. */
export const MAX_TOKEN_PATTERNS = 1_000;
/** Maximum number of regular expressions among them, because each may take some milliseconds to compile. */
export const MAX_EXPRESSIONS = 32;

/** Finds a claim by its name or dotted path. Looks at own properties only, so `constructor` is undefined. */
export function claimAt(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let value: unknown = claims;
  for (const part of name.split(".")) {
    if (!isObject(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}

/**
 * Finds the JSON text of the claim that {@link claimAt} finds.
 * @param text - JSON text of the claims, without duplicate names
 */
export function claimTextAt(claims: Readonly<Record<string, unknown>>, text: string, name: string): string | undefined {
  if (Object.hasOwn(claims, name)) return findValueText(text, name);
  let value: string | undefined = text;
  for (const part of name.split(".")) value = value?.startsWith("{") ? findValueText(value, part) : undefined;
  return value;
}

/** Checks a user's id. @throws CarillonError invalid_argument, naming the value */
export function readUser(value: unknown, name: string): string {
  if (typeof value !== "string") throw invalidClaim(name, value === undefined ? "is missing" : "is not a string");
  if (value === "") throw invalidClaim(name, "is empty");
  if (Buffer.byteLength(value) > MAX_USER_BYTES) throw invalidClaim(name, `is longer than ${MAX_USER_BYTES} bytes`);
  if (/[\p{Cc}\p{Surrogate}]/u.test(value))
    throw invalidClaim(name, "contains a control character or is not valid Unicode");
  return value;
}

/** Reads permissions; undefined and null grant nothing. @throws CarillonError invalid_argument, naming the value */
export function readPermissions(value: unknown, name: string): Permissions {
  if (value === undefined || value === null) return Permissions.NONE;
  if (!isObject(value)) throw invalidClaim(name, "is not an object of patterns by action");
  let patterns = 0;
  let expressions = 0;
  for (const [action, list] of Object.entries(value)) {
    if (!ACTIONS.includes(action as Action)) {
      throw invalidClaim(name, `contains an unknown action; known: ${ACTIONS.join(", ")}`);
    }
    if (!Array.isArray(list) || !list.every((pattern) => typeof pattern === "string")) {
      throw invalidClaim(name, `${action} is not a list of patterns`);
    }
    patterns += list.length;
    expressions += list.filter((pattern) => pattern.startsWith(EXPRESSION)).length;
  }
  if (patterns > MAX_TOKEN_PATTERNS) throw invalidClaim(name, `has more than ${MAX_TOKEN_PATTERNS} patterns`);
  if (expressions > MAX_EXPRESSIONS) throw invalidClaim(name, `has more than ${MAX_EXPRESSIONS} regular expressions`);
  return Permissions.of(value);
}

function invalidClaim(name: string, what: string): CarillonError {
  return new CarillonError("invalid_argument", `${name} ${what}`);
}
