import type { IncomingMessage, ServerResponse } from "node:http";
import { CarillonError } from "../../errors.js";

export interface PageRules {
  /** Whether nobody is asked for a key. */
  readonly keys: { readonly open: boolean };
  /** Whether a page of this origin may ask where nobody is asked for a key. */
  readonly originAllowed: (origin: string | undefined, host: string | undefined) => boolean;
}

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
  response.setHeader("access-control-allow-headers", "Content-Type, Authorization");
}
