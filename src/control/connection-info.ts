import type { Client } from "../clients/client.js";

/** Description of a connection, for backends and for other nodes. */
export type ConnectionInfo = {
  /** Unique in the cluster. */
  readonly id: string;
  readonly node: string;
  /** Null for an anonymous client. */
  readonly user: string | null;
  /** JSON text of an object. */
  readonly info: string;
  readonly dialect: string;
  readonly address: string;
  readonly userAgent: string;
  /** In milliseconds since the epoch. */
  readonly connected: number;
  /** In milliseconds since the epoch; null if the connection does not expire. */
  readonly expires: number | null;
  readonly topicCount: number;
  /** Number of messages published by the connection. Unset by nodes of older versions. */
  readonly published?: number;
};

export function toConnectionInfo(
  { connected, origin, principal, published, session }: Client,
  node: string,
): ConnectionInfo {
  return {
    id: session.id,
    node,
    user: principal.user ?? null,
    info: principal.info,
    dialect: origin.dialect,
    address: origin.address,
    userAgent: origin.userAgent,
    connected,
    expires: principal.expires ?? null,
    topicCount: session.memberships.size,
    published,
  };
}

export const connectionInfoId = ({ id }: ConnectionInfo): string => id;
