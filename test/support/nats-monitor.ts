import type { NatsServer } from "./nats-server.js";

/** What a server's monitoring port says; the server's configuration needs `http: "127.0.0.1:-1"`. */
export async function monitor<T>(server: NatsServer, path: string): Promise<T> {
  const response = await fetch(`${server.monitorUrl}/${path}`);
  return (await response.json()) as T;
}

interface Connections {
  readonly connections: readonly { readonly name?: string; readonly subscriptions_list?: readonly string[] }[];
}

/** The subjects of messages that the clients of this name are subscribed to, sorted; not those of words between nodes. */
export async function subjectsOf(server: NatsServer, clientName: string): Promise<string[]> {
  const { connections } = await monitor<Connections>(server, "connz?subs=1&limit=10000");
  const named = connections.filter(({ name }) => name === clientName);
  const subjects = named.flatMap((connection) => connection.subscriptions_list ?? []);
  return subjects.filter((subject) => !subject.includes(".$cluster.")).toSorted();
}
