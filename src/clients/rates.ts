import type { VhostSettings } from "../config/vhost.js";
import type { Clock } from "../core/ports.js";
import type { Rates } from "./client.js";
import { TokenBucket } from "./limits/token-bucket.js";

/** What a new session of a vhost may do in a second; undefined where nothing is limited. */
export function createRates({ limits }: VhostSettings, clock: Clock): Rates | undefined {
  const bucket = (limit: number | "off" | undefined): TokenBucket | undefined =>
    limit === undefined || limit === "off" ? undefined : new TokenBucket(limit, clock);
  const rates = {
    commands: bucket(limits.commands_per_second),
    publishedBytes: bucket(limits.publish_bytes_per_second),
    answeredBytes: bucket(limits.answer_bytes_per_second),
  };
  return Object.values(rates).every((one) => one === undefined) ? undefined : rates;
}
