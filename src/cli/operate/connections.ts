import { type Connection, ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { asBackend, type BackendFlags } from "../backend.js";
import { formatTime } from "../format-time.js";
import { type ListFlags, noteMissing, printList } from "./print-list.js";

export interface ConnectionsFlags extends BackendFlags, ListFlags {
  readonly user?: string;
  readonly topic?: string;
}

const FORMAT = {
  head: ["CONNECTION", "USER", "DIALECT", "ADDRESS", "TOPICS", "CONNECTED", "NODE"],
  toRow: ({ address, connected, dialect, id, node, topicCount, user }: Connection) => [
    id,
    user,
    dialect,
    address,
    String(topicCount),
    formatTime(connected),
    node,
  ],
  toJson: describe,
};

/** Prints the clients of a vhost, on all nodes. */
export async function connectionsCommand(flags: ConnectionsFlags): Promise<void> {
  const { topic = "", user = "" } = flags;
  await asBackend(flags, async (client) => {
    await printList(flags, FORMAT, async (page) => {
      const answer = await client.call(ControlService.method.listConnections, { user, topic, ...page });
      return { ...answer, entries: answer.connections };
    });
  });
}

/** Prints one client with its topics, as JSON. */
export async function connectionCommand(id: string, flags: BackendFlags): Promise<void> {
  await asBackend(flags, async (client) => {
    const { connection, topics } = await client.call(ControlService.method.getConnection, { id });
    if (connection === undefined) return;
    const listed = topics.map(({ broker, topic }) => ({ broker, topic }));
    process.stdout.write(`${JSON.stringify({ ...describe(connection), topics: listed }, undefined, 2)}\n`);
  });
}

export interface DisconnectFlags extends BackendFlags {
  readonly user?: string;
  readonly code?: number;
  readonly reason?: string;
}

/** Disconnects a client, or all clients of a user, and prints how many there were. */
export async function disconnectCommand(id: string | undefined, flags: DisconnectFlags): Promise<void> {
  const { code, reason = "", user = "" } = flags;
  const target =
    id === undefined ? ({ case: "user", value: user } as const) : ({ case: "connectionId", value: id } as const);
  await asBackend(flags, async (client) => {
    const answer = await client.call(ControlService.method.disconnect, {
      target: { target },
      reason,
      ...(code !== undefined && { code }),
    });
    process.stdout.write(`${answer.connections}\n`);
    noteMissing(answer.missingNodes);
  });
}

function describe(connection: Connection): object {
  const { address, connected, dialect, expires, id, infoJson, node, topicCount, user, userAgent } = connection;
  return {
    id,
    ...(user !== "" && { user }),
    ...(infoJson !== "" && { info: JSON.parse(infoJson) as unknown }),
    dialect,
    address,
    userAgent,
    topicCount,
    connected: formatTime(connected),
    ...(expires !== undefined && { expires: formatTime(expires) }),
    node,
  };
}
