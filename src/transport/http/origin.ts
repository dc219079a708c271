import { compileOriginPattern, type OriginPattern, OriginPatterns } from "../../net/origin-pattern.js";
import { omitDefaultPort, parseAuthority, parseOrigin } from "../../net/web-origin.js";

/**
 * Decides whether an Origin header is allowed. Pages cannot change it; clients other than browsers usually send none.
 */
export type OriginCheck = (origin: string | undefined, host: string | undefined) => boolean;

export interface OriginOptions {
  /** `*`, `null`, or patterns for {@link compileOriginPattern}. */
  readonly allowed: readonly string[];
  /**
   * Whether pages of this server's own origin may connect. False on loopback, where any site can become same-origin by
   * resolving its name to 127.0.0.1.
   */
  readonly sameOrigin: boolean;
}

/**
 * Creates a check of origins. Requests without an Origin header are allowed, because they do not come from a page. A
 * malformed origin is allowed by `*` only.
 * @throws Error for a pattern that the configuration's schema rejects
 */
export function createOriginCheck({ allowed, sameOrigin }: OriginOptions): OriginCheck {
  const any = allowed.includes("*");
  const opaque = allowed.some((pattern) => pattern.toLowerCase() === "null");
  const others = allowed.filter((pattern) => !["*", "null"].includes(pattern.toLowerCase()));
  const patterns = new OriginPatterns(others.map(compilePattern));
  // The last origin that a pattern allowed: nearly all pages have the same.
  let known: string | undefined;
  return (text, host) => {
    if (text === undefined || any || text === known) return true;
    if (text.toLowerCase() === "null") return opaque;
    const origin = parseOrigin(text);
    if (origin === undefined) return false;
    if (patterns.allows(origin)) {
      known = text;
      return true;
    }
    if (!sameOrigin || host === undefined || !["http", "https"].includes(origin.scheme)) return false;
    const authority = parseAuthority(host);
    if (authority === undefined) return false;
    const own = omitDefaultPort({ scheme: origin.scheme, ...authority });
    return own.host === origin.host && own.port === origin.port;
  };
}

function compilePattern(pattern: string): OriginPattern {
  const compiled = compileOriginPattern(pattern);
  if (typeof compiled === "string") throw new Error(`origin ${pattern}: ${compiled}`);
  return compiled;
}
