import { normalizeIpAddress } from "../../net/ip-address.js";
import { parseAuthority } from "../../net/web-origin.js";
import type { OriginCheck } from "./origin.js";

/** Decides whether a Host header is allowed. */
export type HostCheck = (host: string | undefined) => boolean;

/**
 * Creates a check that protects a loopback listener against DNS rebinding: a site lets its name resolve to 127.0.0.1, and its
 * page then sends same-origin requests to this server. The Host header of such a request names the site. The check allows IP
 * addresses, names without a dot (which cannot be registered), `localhost` and its subdomains, and hosts of allowed origins
 * (which a reverse proxy may forward).
 */
export function createLoopbackHostCheck(originAllowed: OriginCheck): HostCheck {
  return (text) => {
    if (text === undefined) return true;
    const authority = parseAuthority(text);
    if (authority === undefined) return false;
    // A trailing dot marks a fully qualified name.
    const name = authority.host.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
    if (!name.includes(".") || name.endsWith(".localhost") || normalizeIpAddress(name) !== undefined) return true;
    return originAllowed(`http://${text}`, undefined) || originAllowed(`https://${text}`, undefined);
  };
}
