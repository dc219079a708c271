import type { Socket } from "node:net";
import type { ProxiedPeer } from "./proxy-header.js";

/**
 * Sets the remote address of a connection to the peer that its proxy reported, for access checks, logs, and gRPC, which
 * reads the address from the socket.
 */
export function setPeerAddress(socket: Socket, { address, port }: ProxiedPeer): void {
  Object.defineProperties(socket, {
    remoteAddress: { value: address },
    remotePort: { value: port },
    remoteFamily: { value: address.includes(":") ? "IPv6" : "IPv4" },
  });
}
