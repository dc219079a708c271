import { isNativeError } from "node:util/types";

/** Returns the message of an error, or a thrown value of another type as text. Errors of other realms count, too. */
export function errorText(cause: unknown): string {
  return isNativeError(cause) ? cause.message : String(cause);
}

/** Returns the `code` of a system error, such as `ENOENT`; undefined where it has none. */
export function errorCode(cause: unknown): unknown {
  return isNativeError(cause) && "code" in cause ? cause.code : undefined;
}
