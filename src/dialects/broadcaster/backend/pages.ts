import type { IncomingMessage, ServerResponse } from "node:http";
import { CarillonError } from "../../../errors.js";

export interface PageRules {
  /** Whether nobody is asked for a key. */
  readonly keys: { readonly open: boolean };
  /** Whether a page of this origin may ask where nobody is asked for a key. */
  readonly originAllowed: (origin: string | undefined, host: string | undefined) => boolean;
}

const REQUEST_HEADERS = ["Content-Type", "Authorization"];

/**
 * Lets pages read the answer: those of any origin, as they have to show a key. Where nobody is asked for one, any page that
 * somebody on this network looks at could publish: only those of allowed origins may then.
 * @throws CarillonError permission_denied
 */
export function allowPages({ headers }: IncomingMessage, response: ServerResponse, rules: PageRules): void {
  const { host, origin } = headers;
  if (!rules.keys.open) {
    response.setHeader("access-control-allow-origin", "*");
  } else {
    response.setHeader("vary", "origin");
    if (!rules.originAllowed(origin, host)) {
      const text = `origin ${origin ?? ""} is not allowed, as nobody is asked for a key: see origins in the configuration`;
      throw new CarillonError("permission_denied", text);
    }
    if (origin !== undefined) response.setHeader("access-control-allow-origin", origin);
  }
  response.setHeader("access-control-allow-methods", "POST, OPTIONS");
  response.setHeader("access-control-allow-headers", allowedHeaders(headers["access-control-request-headers"]));
}

/** Those of the original, and what else the page asks for: tracing and other libraries add headers of their own. */
function allowedHeaders(asked = ""): string {
  const known = REQUEST_HEADERS.map((name) => name.toLowerCase());
  const others = asked.split(",").map((name) => name.trim());
  return [...REQUEST_HEADERS, ...others.filter((name) => name !== "" && !known.includes(name.toLowerCase()))].join(
    ", ",
  );
}
