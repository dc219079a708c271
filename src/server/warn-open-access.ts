import type { Keyring } from "../access/keys/keyring.js";
import type { Config, VhostSettings } from "../config/schema.js";
import type { Logger } from "../observe/log.js";
import { isLoopback } from "../util/address.js";
import type { Vhosts } from "../vhosts/vhosts.js";

export interface OpenAccessContext {
  readonly vhosts: Vhosts;
  readonly keyring: Keyring;
  readonly log: Logger;
}

/** Warns about everything that is accessible without authentication. */
export function warnOpenAccess({ admin, http }: Config, { keyring, log, vhosts }: OpenAccessContext): void {
  if (keyring.open) {
    const password = admin.password_hash === undefined ? "" : "; admin.password_hash protects only the dashboard";
    log.warn(`no keys are configured: every caller that reaches these ports may publish and listen${password}`);
  }
  const endless = [...vhosts.all].filter(({ settings }) => settings.jwt?.require_exp === false).map(({ name }) => name);
  if (endless.length > 0) log.warn({ vhosts: endless }, "tokens without an expiry are accepted: see jwt.require_exp");
  if (isLoopback(http.host)) return;
  const open = [...vhosts.all].filter(({ settings }) => isOpen(settings)).map(({ name }) => name);
  if (open.length > 0) log.warn({ vhosts: open }, "clients without a token may join topics: see access, anonymous");
}

/** Whether clients without a token may join topics without a rule. */
function isOpen({ access, anonymous, topics }: VhostSettings): boolean {
  return anonymous.connect && access === "open" && !topics.some((rule) => rule.match === "*");
}
