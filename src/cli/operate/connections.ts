import { type Connection, ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { asBackend } from "../backend.js";
import type { BackendFlags } from "../node-options.js";
import { formatTime } from "../terminal/format-time.js";
import { printJson } from "../terminal/print.js";
import { formatTable } from "../terminal/table.js";
import { type ListFlags, noteMissing, printList } from "./print-list.js";

export interface ConnectionsFlags extends BackendFlags, ListFlags {
  readonly user?: string;
  readonly topic?: string;
  readonly address?: string;
  readonly dialect?: string;
}

const FORMAT = {
  what: "connections",
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
  const { address = "", dialect = "", topic = "", user = "" } = flags;
  await asBackend(flags, async (client) => {
    await printList(flags, FORMAT, async (page) => {
      const answer = await client.call(ControlService.method.listConnections, {
        user,
        topic,
        address,
        dialect,
        ...page,
      });
      return { ...answer, entries: answer.connections };
    });
  });
}

export interface ConnectionFlags extends BackendFlags {
  readonly json?: true;
}

/** Prints one client with its topics. */
export async function connectionCommand(id: string, flags: ConnectionFlags): Promise<void> {
  await asBackend(flags, async (client) => {
    const { connection, topics } = await client.call(ControlService.method.getConnection, { id });
    if (connection === undefined) return;
    const described = describe(connection);
    if (flags.json === true) {
      const listed = topics.map(({ broker, topic }) => ({ broker, topic }));
      printJson({ ...described, topics: listed });
      return;
    }
    const rows = Object.entries(described).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]);
    process.stdout.write(formatTable(["FIELD", "VALUE"], rows));
    process.stdout.write("\n");
    process.stdout.write(
      formatTable(
        ["TOPIC", "BROKER"],
        topics.map(({ broker, topic }) => [topic, broker]),
      ),
    );
  });
}

export interface DisconnectFlags extends BackendFlags {
  readonly user?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly json?: true;
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
    const { connections } = answer;
    if (flags.json === true) printJson({ connections });
    else process.stdout.write(`${connections}\n`);
    noteMissing(answer.missingNodes);
  });
}

function describe(connection: Connection) {
  const { address, connected, dialect, expires, id, infoJson, node, published, topicCount, user, userAgent } =
    connection;
  return {
    id,
    ...(user !== "" && { user }),
    ...(infoJson !== "" && { info: JSON.parse(infoJson) as unknown }),
    dialect,
    address,
    userAgent,
    topicCount,
    published: Number(published),
    connected: formatTime(connected),
    ...(expires !== undefined && { expires: formatTime(expires) }),
    node,
  };
}
