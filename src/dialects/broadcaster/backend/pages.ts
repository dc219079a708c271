import type { IncomingMessage, ServerResponse } from "node:http";
import { CarillonError } from "../../../errors.js";

export interface PageRules {
  /** `open`: backends need no key. */
  readonly keys: { readonly open: boolean };
  /** Returns whether pages of an origin may publish if no key is required. */
  readonly originAllowed: (origin: string | undefined, host: string | undefined) => boolean;
}

const REQUEST_HEADERS = ["Content-Type", "Authorization"];

/**
 * Lets pages read the answer. If a key is required, pages of any origin may send requests. If not, any page that a user on
 * this network opens could publish, so only pages of allowed origins may.
 * @throws CarillonError permission_denied
 */
export function allowPages({ headers }: IncomingMessage, response: ServerResponse, rules: PageRules): void {
  const { host, origin } = headers;
  if (!rules.keys.open) {
    response.setHeader("access-control-allow-origin", "*");
  } else {
    response.setHeader("vary", "origin");
    if (!rules.originAllowed(origin, host)) {
      const text = `origin not allowed: ${origin ?? ""}; configure keys, or add it to origins`;
      throw new CarillonError("permission_denied", text);
    }
    if (origin !== undefined) response.setHeader("access-control-allow-origin", origin);
  }
  response.setHeader("access-control-allow-methods", "POST, OPTIONS");
  response.setHeader("access-control-allow-headers", allowedHeaders(headers["access-control-request-headers"]));
}

/**
 * Returns the headers that the original allows, and those that the page requests, because tracing and other libraries add
 * their own.
 */
function allowedHeaders(asked: string | undefined): string {
  if (asked === undefined) return REQUEST_HEADERS.join(", ");
  const known = REQUEST_HEADERS.map((name) => name.toLowerCase());
  const others = asked.split(",").map((name) => name.trim());
  return [...REQUEST_HEADERS, ...others.filter((name) => name !== "" && !known.includes(name.toLowerCase()))].join(
    ", ",
  );
}
