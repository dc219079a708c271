import { isNativeError } from "node:util/types";

/** Returns the message of an error, also of another realm, or the text of another thrown value. */
export function errorText(cause: unknown): string {
  return isNativeError(cause) ? cause.message : String(cause);
}

/** Returns the `code` of a system error, such as `ENOENT`; undefined without one. */
export function errorCode(cause: unknown): unknown {
  return isNativeError(cause) && "code" in cause ? cause.code : undefined;
}
