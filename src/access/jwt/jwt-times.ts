import type { ClaimNames } from "./claims.js";
import { claimAt } from "./claims.js";
import { tokenRefusal } from "./jwt-text.js";

/** Latest time of a Date, in seconds. */
const LAST_SECOND = 8.64e12;

/** Time in the form of ISO 8601 that most languages write. Without a zone, it is in UTC. */
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?$/;

interface TimeOptions {
  readonly names: ClaimNames;
  readonly requireExp: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** In milliseconds. */
  readonly leeway: number;
}

/**
 * Reads a token's expiry, and adds the leeway. The expiry is `exp`, or the time of issue plus the lifetime where the settings
 * name those claims, whichever is earlier. The caller has already checked that `exp` is in the future.
 * @returns milliseconds since the epoch; undefined for a token without expiry
 * @throws CarillonError unauthenticated
 */
export function readExpiry(claims: Readonly<Record<string, unknown>>, options: TimeOptions): number | undefined {
  const { leeway, now, requireExp } = options;
  const { exp, iat } = claims;
  if (exp !== undefined && (typeof exp !== "number" || exp > LAST_SECOND)) {
    throw tokenRefusal("invalid expiry (exp)");
  }
  if (iat !== undefined && (typeof iat !== "number" || iat * 1_000 > now + leeway)) {
    throw tokenRefusal("issued in the future (iat)");
  }
  const ends = [exp, findEndOfDuration(claims, options)].filter((second) => second !== undefined);
  if (ends.length === 0) {
    if (requireExp) throw tokenRefusal("no expiry (exp)");
    return undefined;
  }
  return Math.min(...ends) * 1_000 + leeway;
}

/**
 * Adds a token's lifetime to its time of issue.
 * @returns seconds since the epoch; undefined if the token lacks these claims or the settings do not name them
 */
function findEndOfDuration(
  claims: Readonly<Record<string, unknown>>,
  { leeway, names, now }: TimeOptions,
): number | undefined {
  const { expires_in, issued_at } = names;
  if (expires_in === undefined || issued_at === undefined) return undefined;
  const [duration, issued] = [claimAt(claims, expires_in), claimAt(claims, issued_at)];
  if (duration === undefined && issued === undefined) return undefined;
  if (typeof duration !== "number" || duration < 0) throw tokenRefusal(`${expires_in} is not a number of seconds`);
  const begin = toSeconds(issued);
  if (begin === undefined) throw tokenRefusal(`${issued_at} is neither a number of seconds nor a time in ISO 8601`);
  if (begin * 1_000 > now + leeway) throw tokenRefusal(`issued in the future (${issued_at})`);
  const end = begin + duration;
  if (end > LAST_SECOND) throw tokenRefusal(`invalid expiry (${expires_in})`);
  if (end * 1_000 + leeway <= now) throw tokenRefusal("expired");
  return end;
}

function toSeconds(moment: unknown): number | undefined {
  if (typeof moment === "number") return moment;
  const zone = typeof moment === "string" ? MOMENT.exec(moment) : null;
  if (zone === null) return undefined;
  const time = Date.parse(zone[1] === undefined ? `${zone[0]}Z` : zone[0]);
  return Number.isNaN(time) ? undefined : time / 1_000;
}
