import { ipAddress } from "../net/ip-address.js";
import type { OriginCheck } from "./origin.js";

/** Decides by the Host header. */
export type HostCheck = (host: string | undefined) => boolean;

/**
 * Guards a listener that only this machine is to reach against DNS rebinding: a site makes its own name lead to
 * 127.0.0.1, and its page then asks this server as if it were its own. Such a page names the site in Host. Let through are
 * IP addresses, names without a dot, which are nobody's to give, `localhost` and those below it, and hosts whose pages
 * are allowed anyway, which a reverse proxy may pass on.
 */
export function loopbackHosts(originAllowed: OriginCheck): HostCheck {
  return (host) => {
    if (host === undefined) return true;
    const name = nameOf(host);
    if (!name.includes(".") || name.endsWith(".localhost") || ipAddress(name) !== undefined) return true;
    return originAllowed(`http://${host}`, undefined) || originAllowed(`https://${host}`, undefined);
  };
}

/** Without the port, and the dot at the end that says that a name is complete. */
function nameOf(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d*$/, "")
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}
