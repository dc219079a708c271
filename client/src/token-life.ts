/** Time that never passes, in milliseconds. */
export const NEVER = 2 ** 53;

/**
 * Returns the rest of a JWT's life in milliseconds; {@link NEVER} for another token, and for one without an expiry. A wrong
 * clock of the device does not matter for a fresh token with `iat`.
 * @param now - milliseconds since the epoch
 */
export function readTokenLife(token: string | undefined, now: number): number {
  try {
    const claims = token?.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") as string;
    const { exp, iat } = JSON.parse(atob(claims)) as { readonly exp: number; readonly iat: number };
    const rest = exp * 1_000 - now;
    // Not a number where a claim is missing.
    const life = (exp - iat) * 1_000 || rest;
    return (rest > 0 ? Math.min(rest, life) : life) || NEVER;
  } catch {
    return NEVER;
  }
}
