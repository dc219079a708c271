import { CarillonError } from "../../errors.js";
import { isObject } from "../../util/json.js";
import { findValueText } from "../../util/raw-json.js";
import { ACTIONS, type Action } from "../decide/actions.js";
import { Permissions } from "../decide/permissions.js";
import { EXPRESSION } from "../patterns/pattern.js";

/** What the claims are called. A dot leads into an object, unless there is a claim of the whole name. */
export interface ClaimNames {
  readonly user: string;
  readonly permissions: string;
  readonly info: string;
  /** When the token was issued: seconds since the epoch, or ISO 8601. Undefined: no claim tells. */
  readonly issued_at?: string | undefined;
  /** For how many seconds from then it is good. */
  readonly expires_in?: string | undefined;
}

export const DEFAULT_CLAIMS: ClaimNames = { user: "sub", permissions: "permissions", info: "info" };

/** Longest id of a user, in bytes of UTF-8. */
export const MAX_USER_BYTES = 255;
/** Most patterns in a set of permissions. */
export const MAX_TOKEN_PATTERNS = 1_000;
/** Most regular expressions among them: each may take some milliseconds to compile. */
export const MAX_EXPRESSIONS = 32;

/** The claim of this name, or that a dotted name leads to. Only what the token itself holds: `constructor` is nothing. */
export function claimAt(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  let value: unknown = claims;
  for (const part of name.split(".")) {
    if (!isObject(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}

/** JSON text of the same claim, as the token has it. @param text - of the claims, in which no object names a member twice */
export function claimTextAt(claims: Readonly<Record<string, unknown>>, text: string, name: string): string | undefined {
  if (Object.hasOwn(claims, name)) return findValueText(text, name);
  let value: string | undefined = text;
  for (const part of name.split(".")) value = value?.startsWith("{") ? findValueText(value, part) : undefined;
  return value;
}

/** @throws CarillonError invalid_argument, naming what the value was called */
export function readUser(value: unknown, called: string): string {
  if (typeof value !== "string") throw fault(called, value === undefined ? "is missing" : "is not a string");
  if (value === "") throw fault(called, "is empty");
  if (Buffer.byteLength(value) > MAX_USER_BYTES) throw fault(called, `is longer than ${MAX_USER_BYTES} bytes`);
  if (/[\p{Cc}\p{Surrogate}]/u.test(value)) throw fault(called, "holds a control character or is not valid Unicode");
  return value;
}

/** @throws CarillonError invalid_argument, naming what the value was called */
export function readPermissions(value: unknown, called: string): Permissions {
  if (value === undefined || value === null) return Permissions.NONE;
  if (!isObject(value)) throw fault(called, "is not an object of actions and their patterns");
  let patterns = 0;
  let expressions = 0;
  for (const [action, list] of Object.entries(value)) {
    if (!ACTIONS.includes(action as Action)) {
      throw fault(called, `names an action that there is not; known: ${ACTIONS.join(", ")}`);
    }
    if (!Array.isArray(list) || !list.every((pattern) => typeof pattern === "string")) {
      throw fault(called, `${action} is not a list of patterns`);
    }
    patterns += list.length;
    expressions += list.filter((pattern) => pattern.startsWith(EXPRESSION)).length;
  }
  if (patterns > MAX_TOKEN_PATTERNS) throw fault(called, `has more than ${MAX_TOKEN_PATTERNS} patterns`);
  if (expressions > MAX_EXPRESSIONS) throw fault(called, `has more than ${MAX_EXPRESSIONS} regular expressions`);
  return Permissions.of(value);
}

function fault(called: string, what: string): CarillonError {
  return new CarillonError("invalid_argument", `${called} ${what}`);
}
