import type { IncomingMessage } from "node:http";
import { CarillonError } from "../../errors.js";

/** Characters that no target has (RFC 9112 §3.2). Parsers of URLs leave some of them out, or the rest of the path behind them. */
const FOREIGN = /[^!-~]|#/;
/** A backslash, as it is or encoded, is a slash to parsers of URLs and to some proxies. */
const BACKSLASH = /\\|%5c/i;
/** A segment of one or two dots, as they are or encoded, also with parameters behind a semicolon. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|;|$)/i;

/**
 * Path and query of a request; the host is made up. A path that another program on the way might take for a different one is
 * refused: a proxy that hides `/metrics` would let `/x/%2e%2e/metrics` pass.
 * @throws CarillonError invalid_argument
 */
export function requestUrl(request: IncomingMessage): URL {
  const target = request.url ?? "";
  if (!target.startsWith("/") || FOREIGN.test(target)) throw refused("is not a path");
  const [path = ""] = target.split("?", 1);
  if (BACKSLASH.test(path)) throw refused("has a backslash in its path");
  if (DOT_SEGMENT.test(path)) throw refused("has a segment of dots in its path");
  try {
    // Joined, not resolved: a target that begins with two slashes is a path here and no host.
    return new URL(`http://host${target}`);
  } catch {
    throw refused("is not a path");
  }
}

function refused(reason: string): CarillonError {
  return new CarillonError("invalid_argument", `the request target ${reason}`);
}
