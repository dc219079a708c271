import type { Config } from "../config/schema.js";
import { isLoopback } from "../util/address.js";

/** Whether the HTTP port serves the demo pages. */
export function servesPage(config: Config): boolean {
  return config.page === "on" || (config.page === "auto" && servesThisMachineOnly(config));
}

/** Whether only callers on this machine reach the HTTP port: a proxy on the machine passes on those of others. */
export function servesThisMachineOnly({ http, trusted_proxies: proxies }: Config): boolean {
  return isLoopback(http.host) && proxies.length === 0;
}
