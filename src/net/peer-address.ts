import type { Socket } from "node:net";
import type { ProxiedPeer } from "./proxy-header.js";

/**
 * Makes a connection tell the peer that its proxy has named, to whoever asks: access checks, logs, and gRPC, which asks
 * the socket and nobody else.
 */
export function setPeerAddress(socket: Socket, { address, port }: ProxiedPeer): void {
  Object.defineProperties(socket, {
    remoteAddress: { value: address },
    remotePort: { value: port },
    remoteFamily: { value: address.includes(":") ? "IPv6" : "IPv4" },
  });
}
