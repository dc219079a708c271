import type { Socket as EngineSocket } from "engine.io";

/** Bytes of what the library says itself that may wait for the peer: nobody has to read what it provokes. */
const UNREAD_BYTES = 65_536;

interface Written {
  readonly type: string;
  readonly data?: { readonly length: number };
  readonly options?: { readonly wsPreEncodedFrame?: unknown };
}

/**
 * Looks after a connection where the library does not.
 * @param onUnread - more of what the library says waits than may; what sessions are sent is bounded by their outboxes
 */
export function keepUp(connection: EngineSocket, onUnread: () => void): void {
  let unread = 0;
  let pinged = false;
  connection.on("packetCreate", ({ data, options, type }: Written) => {
    if (options?.wsPreEncodedFrame !== undefined) return;
    if (type === "ping") pinged = true;
    unread += data?.length ?? 0;
    // At once: one request may provoke very many.
    if (unread > UNREAD_BYTES) onUnread();
  });
  connection.on("flush", () => {
    unread = 0;
  });
  connection.on("heartbeat", () => {
    pinged = false;
  });
  // The library forgets what it waits for when the transport changes, and never asks again.
  connection.on("upgrade", () => {
    if (pinged) (connection as unknown as { resetPingTimeout(): void }).resetPingTimeout();
  });
}
