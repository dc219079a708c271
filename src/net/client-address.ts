import type { IncomingMessage } from "node:http";
import { ipAddress } from "./ip-address.js";
import type { Networks } from "./networks.js";

/** Tells the address that a request comes from; the empty string when the connection is gone already. */
export type ClientAddress = (request: IncomingMessage) => string;

/**
 * Each proxy adds the address that it was called from at the right of X-Forwarded-For. What stands there is believed from
 * the right as long as a trusted proxy has written it: the first address that is none of theirs is the client's. All that
 * is left of it anybody may have made up.
 * @param trusted - the networks of the proxies
 */
export function clientAddress(trusted: Networks | undefined): ClientAddress {
  return ({ headers, socket }) => {
    const peer = socket.remoteAddress;
    let address = peer === undefined ? "" : (ipAddress(peer) ?? peer);
    const forwarded = headers["x-forwarded-for"];
    if (trusted === undefined || forwarded === undefined) return address;
    const written = String(forwarded).split(",");
    while (trusted.includes(address)) {
      const next = forwardedAddress(written.pop());
      // Where a proxy has written no address, that proxy is the last that is known.
      if (next === undefined) break;
      address = next;
    }
    return address;
  };
}

/** An address, which some proxies write with a port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function forwardedAddress(text = ""): string | undefined {
  const match = /^(?:\[(?<v6>[^\]]*)\](?::\d+)?|(?<v4>[\d.]+):\d+|(?<plain>\S*))$/.exec(text.trim());
  const { plain, v4, v6 } = match?.groups ?? {};
  return ipAddress(v6 ?? v4 ?? plain ?? "");
}
