import type { Socket as EngineSocket } from "engine.io";
import type { PacketWriteOptions } from "./poll-queue.js";

/**
 * Maximum number of bytes of the library's own packets that may wait for the peer. A peer can provoke such packets and never
 * read them.
 */
const UNREAD_BYTES = 65_536;
/** Overhead of a packet in bytes. Pings of Engine.IO 3 provoke packets without data. */
const PACKET_BYTES = 16;

interface Written {
  readonly type: string;
  readonly data?: { readonly length: number };
  readonly options?: Partial<PacketWriteOptions>;
}

/**
 * Adds limits and timeouts that the library lacks to a connection.
 * @param onUnread - called when too many of the library's own packets wait; a session's outbox bounds all other packets
 */
export function applyEngineWorkarounds(connection: EngineSocket, onUnread: () => void): void {
  let unread = 0;
  let pinged = false;
  connection.on("packetCreate", ({ data, options, type }: Written) => {
    if (options?.ours === true) return;
    if (type === "ping") pinged = true;
    unread += PACKET_BYTES + (data?.length ?? 0);
    // Checked for each packet, because one request may provoke many.
    if (unread > UNREAD_BYTES) onUnread();
  });
  connection.on("flush", () => {
    unread = 0;
  });
  connection.on("heartbeat", () => {
    pinged = false;
  });
  // The library drops its ping timeout when the transport changes, and never sets it again. A client of Engine.IO 3 always has a
  // timeout, because it sends the pings.
  connection.on("upgrade", () => {
    if (pinged || connection.protocol === 3) (connection as unknown as { resetPingTimeout(): void }).resetPingTimeout();
  });
}
