import { compileOriginPattern, type OriginMatcher } from "../../net/origin-pattern.js";
import { omitDefaultPort, parseAuthority, parseOrigin } from "../../net/web-origin.js";

/** Decides by the Origin header; browsers cannot change it, other clients usually send none. */
export type OriginCheck = (origin: string | undefined, host: string | undefined) => boolean;

export interface OriginOptions {
  /** `*`, `null`, or patterns as {@link compileOriginPattern} takes them. */
  readonly allowed: readonly string[];
  /**
   * Whether a page of this server's own origin may connect. Not on loopback: there any site can claim to be of the same
   * origin by having its name resolve to 127.0.0.1.
   */
  readonly sameOrigin: boolean;
}

/**
 * A request without an Origin header is no page's and is let through. An origin that cannot be parsed is allowed by `*` only.
 * @throws Error for a pattern that the configuration's schema refuses
 */
export function originCheck({ allowed, sameOrigin }: OriginOptions): OriginCheck {
  const everybody = allowed.includes("*");
  const opaque = allowed.some((pattern) => pattern.toLowerCase() === "null");
  const matchers = allowed.filter((pattern) => !["*", "null"].includes(pattern.toLowerCase())).map(matcherOf);
  return (text, host) => {
    if (text === undefined || everybody) return true;
    if (text.toLowerCase() === "null") return opaque;
    const origin = parseOrigin(text);
    if (origin === undefined) return false;
    if (matchers.some((matches) => matches(origin))) return true;
    if (!sameOrigin || host === undefined || !["http", "https"].includes(origin.scheme)) return false;
    const authority = parseAuthority(host);
    if (authority === undefined) return false;
    const own = omitDefaultPort({ scheme: origin.scheme, ...authority });
    return own.host === origin.host && own.port === origin.port;
  };
}

function matcherOf(pattern: string): OriginMatcher {
  const matcher = compileOriginPattern(pattern);
  if (typeof matcher === "string") throw new Error(`origin ${pattern}: ${matcher}`);
  return matcher;
}
