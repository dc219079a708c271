import type { IncomingMessage } from "node:http";
import { CarillonError } from "../../errors.js";

/**
 * Characters not allowed in a request target (RFC 9112 §3.2). URL parsers drop some of them, or the rest of the path
 * after them.
 */
const FORBIDDEN = /[^!-~]|#/;
/** A backslash, plain or encoded. URL parsers and some proxies treat it as a slash. */
const BACKSLASH = /\\|%5c/i;
/** A segment of one or two dots, plain or encoded, also with parameters after a semicolon. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|;|$)/i;

/** A path that needs no parsing: segments of letters, digits, hyphens, underscores and single inner dots, without a query. */
const SIMPLE_PATH = /^(?:\/[\w-]+(?:\.[\w-]+)*)+\/?$/;

/** Returns the path of a request. @throws CarillonError as {@link parseRequestUrl} does */
export function parseRequestPath(request: IncomingMessage): string {
  const { url = "" } = request;
  return SIMPLE_PATH.test(url) ? url : parseRequestUrl(request).pathname;
}

/**
 * Parses the path and query of a request; the host is a placeholder. Paths that a proxy might read differently are rejected.
 * For example, a proxy that hides `/metrics` would forward `/x/%2e%2e/metrics`.
 * @throws CarillonError invalid_argument
 */
export function parseRequestUrl(request: IncomingMessage): URL {
  const target = request.url ?? "";
  if (!target.startsWith("/") || FORBIDDEN.test(target)) throw createRefusal("is not a path");
  const [path = ""] = target.split("?", 1);
  if (BACKSLASH.test(path)) throw createRefusal("has a backslash in its path");
  if (DOT_SEGMENT.test(path)) throw createRefusal("has a dot segment in its path");
  try {
    // Concatenated, not resolved: a target that starts with two slashes is a path, not a host.
    return new URL(`http://host${target}`);
  } catch {
    throw createRefusal("is not a path");
  }
}

function createRefusal(reason: string): CarillonError {
  return new CarillonError("invalid_argument", `the request target ${reason}`);
}
