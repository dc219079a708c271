import type { ConnectionInfo } from "../../../control/connection-info.js";

/** A connection in the protocol's terms. */
export interface ConnectionEntry {
  readonly identifier: string;
  /** In ISO 8601, as all times. */
  readonly startedAt: string;
  /** Null while it lives. */
  readonly endedAt: string | null;
  readonly ipAddress: string;
  readonly userAgent: string;
  /** Messages that it has sent. */
  readonly messages: number;
}

/** @param ended - in milliseconds since the epoch; null: it lives */
export function toConnectionEntry(facts: ConnectionInfo, ended: number | null): ConnectionEntry {
  const { address, connected, id, published, userAgent } = facts;
  return {
    identifier: id,
    startedAt: new Date(connected).toISOString(),
    endedAt: ended === null ? null : new Date(ended).toISOString(),
    ipAddress: address,
    userAgent,
    messages: published,
  };
}
