import type { Socket as EngineSocket } from "engine.io";
import type { PacketWriteOptions } from "./poll-queue.js";

/** Bytes of the library's own packets that may wait for the peer: a peer could provoke them and never read. */
const UNREAD_BYTES = 65_536;
/** Cost of a packet beside its data: a client of Engine.IO 3 provokes empty ones with its pings. */
const PACKET_BYTES = 16;

interface Written {
  readonly type: string;
  readonly data?: { readonly length: number };
  readonly options?: Partial<PacketWriteOptions>;
}

/**
 * Looks after a connection where the library does not.
 * @param onUnread - more of the library's own packets wait than may; a session's outbox bounds the others
 */
export function applyEngineWorkarounds(connection: EngineSocket, onUnread: () => void): void {
  let unread = 0;
  let pinged = false;
  connection.on("packetCreate", ({ data, options, type }: Written) => {
    if (options?.ours === true) return;
    if (type === "ping") pinged = true;
    unread += PACKET_BYTES + (data?.length ?? 0);
    // At once: one request may provoke very many.
    if (unread > UNREAD_BYTES) onUnread();
  });
  connection.on("flush", () => {
    unread = 0;
  });
  connection.on("heartbeat", () => {
    pinged = false;
  });
  // The library forgets what it waits for when the transport changes, and never asks again. A client of Engine.IO 3 is always
  // waited for: it is the one that pings.
  connection.on("upgrade", () => {
    if (pinged || connection.protocol === 3) (connection as unknown as { resetPingTimeout(): void }).resetPingTimeout();
  });
}
