/** Decides by the Origin header; browsers cannot change it, other clients usually send none. */
export type OriginCheck = (origin: string | undefined, host: string | undefined) => boolean;

export interface OriginOptions {
  /** `*`, exact origins, or ones with a single `*` in them; compared without case. */
  readonly allowed: readonly string[];
  /**
   * Whether a page of this server's own origin may connect. Not on loopback: there any site can claim to be of the same
   * origin by having its name resolve to 127.0.0.1.
   */
  readonly sameOrigin: boolean;
}

/** A request without an Origin header is no page's and is let through. */
export function originCheck({ allowed, sameOrigin }: OriginOptions): OriginCheck {
  const matchers = allowed.map(originMatcher);
  return (origin, host) => {
    if (origin === undefined) return true;
    const lower = origin.toLowerCase();
    if (matchers.some((matches) => matches(lower))) return true;
    if (!sameOrigin || host === undefined) return false;
    const authority = host.toLowerCase();
    return lower === `http://${authority}` || lower === `https://${authority}`;
  };
}

function originMatcher(pattern: string): (origin: string) => boolean {
  const lower = pattern.toLowerCase();
  const star = lower.indexOf("*");
  if (star === -1) return (origin) => origin === lower;
  const before = lower.slice(0, star);
  const after = lower.slice(star + 1);
  return (origin) =>
    origin.length >= before.length + after.length && origin.startsWith(before) && origin.endsWith(after);
}
