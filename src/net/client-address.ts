import type { IncomingMessage } from "node:http";
import { normalizeIpAddress } from "./ip-address.js";
import type { Networks } from "./networks.js";

/** Returns the client's address of a request; the empty string when the connection has ended. */
export type ClientAddress = (request: IncomingMessage) => string;

/**
 * Creates the function that finds a request's client address. Each proxy appends the address of its peer to
 * X-Forwarded-For. Addresses are read from the right while the writer is a trusted proxy; the first address that does not
 * belong to a proxy is the client's. Addresses further to the left may be forged.
 * @param trusted - the networks of the proxies
 */
export function createClientAddress(trusted: Networks | undefined): ClientAddress {
  return ({ headers, socket }) => {
    const peer = socket.remoteAddress;
    let address = peer === undefined ? "" : (normalizeIpAddress(peer) ?? peer);
    const forwarded = headers["x-forwarded-for"];
    if (trusted === undefined || forwarded === undefined) return address;
    const addresses = String(forwarded).split(",");
    while (trusted.includes(address)) {
      const next = parseForwardedAddress(addresses.pop());
      // The next address is missing or invalid, so this proxy is the last known hop.
      if (next === undefined) break;
      address = next;
    }
    return address;
  };
}

/** Parses an address, which some proxies write with a port: `192.0.2.1:4711`, `[2001:db8::1]:4711`. */
function parseForwardedAddress(text = ""): string | undefined {
  const match = /^(?:\[(?<v6>[^\]]*)\](?::\d+)?|(?<v4>[\d.]+):\d+|(?<plain>\S*))$/.exec(text.trim());
  const { plain, v4, v6 } = match?.groups ?? {};
  return normalizeIpAddress(v6 ?? v4 ?? plain ?? "");
}
