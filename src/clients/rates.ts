import type { VhostSettings } from "../config/vhost.js";
import type { Clock } from "../core/ports.js";
import type { Rates } from "./client.js";
import { TokenBucket } from "./limits/token-bucket.js";

/** What a new session of a vhost may do in a second; undefined where nothing is limited. */
export function ratesOf({ limits }: VhostSettings, clock: Clock): Rates | undefined {
  const { commands_per_second: commands, publish_bytes_per_second: bytes } = limits;
  if (commands === undefined && bytes === undefined) return undefined;
  return {
    commands: commands === undefined ? undefined : new TokenBucket(commands, clock),
    publishedBytes: bytes === undefined ? undefined : new TokenBucket(bytes, clock),
  };
}
