import type { ConnectionInfo } from "../../../control/connection-info.js";

/** Description of a connection in the protocol's terms. */
export interface ConnectionEntry {
  readonly identifier: string;
  /** In ISO 8601. */
  readonly startedAt: string;
  /** In ISO 8601; null while the connection is open. */
  readonly endedAt: string | null;
  readonly ipAddress: string;
  readonly userAgent: string;
  /** Number of messages that the client has sent. */
  readonly messages: number;
}

/** @param ended - in milliseconds since the epoch; null: the connection is open */
export function toConnectionEntry(facts: ConnectionInfo, ended: number | null): ConnectionEntry {
  const { address, connected, id, published, userAgent } = facts;
  return {
    identifier: id,
    startedAt: new Date(connected).toISOString(),
    endedAt: ended === null ? null : new Date(ended).toISOString(),
    ipAddress: address,
    userAgent,
    messages: published ?? 0,
  };
}
