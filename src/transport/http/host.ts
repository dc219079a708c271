import { normalizeIpAddress } from "../../net/ip-address.js";
import { parseAuthority } from "../../net/web-origin.js";
import type { OriginCheck } from "./origin.js";

/** Decides by the Host header. */
export type HostCheck = (host: string | undefined) => boolean;

/**
 * Guards a listener that only this machine is to reach against DNS rebinding: a site makes its own name lead to
 * 127.0.0.1, and its page then asks this server as if it were its own. Such a page names the site in Host. Let through are
 * IP addresses, names without a dot, which nobody can register, `localhost` and those below it, and hosts of pages that
 * are allowed anyway, which a reverse proxy may pass on.
 */
export function loopbackHosts(originAllowed: OriginCheck): HostCheck {
  return (text) => {
    if (text === undefined) return true;
    const authority = parseAuthority(text);
    if (authority === undefined) return false;
    // A dot at the end says that a name is complete.
    const name = authority.host.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
    if (!name.includes(".") || name.endsWith(".localhost") || normalizeIpAddress(name) !== undefined) return true;
    return originAllowed(`http://${text}`, undefined) || originAllowed(`https://${text}`, undefined);
  };
}
