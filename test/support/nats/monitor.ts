import type { NatsServer } from "./server.js";

/** Reads a server's monitoring port. The server's configuration needs `http: "127.0.0.1:-1"`. */
export async function monitor<T>(server: NatsServer, path: string): Promise<T> {
  const response = await fetch(`${server.monitorUrl}/${path}`);
  return (await response.json()) as T;
}

interface Connections {
  readonly connections: readonly { readonly name?: string; readonly subscriptions_list?: readonly string[] }[];
}

/**
 * Returns the topics' subjects that clients of this name are subscribed to, sorted. Excludes messages between nodes, and
 * the topics that {@link userSubjectsOf} returns.
 */
export async function subjectsOf(server: NatsServer, clientName: string): Promise<string[]> {
  return (await allSubjectsOf(server, clientName)).filter((subject) => !subject.includes(".$"));
}

/** Returns the subjects of `$user.…` and `$connection.…`. */
export async function userSubjectsOf(server: NatsServer, clientName: string): Promise<string[]> {
  const subjects = await allSubjectsOf(server, clientName);
  return subjects.filter((subject) => /\.\$(?:user|connection)\./.test(subject));
}

async function allSubjectsOf(server: NatsServer, clientName: string): Promise<string[]> {
  const { connections } = await monitor<Connections>(server, "connz?subs=1&limit=10000");
  const named = connections.filter(({ name }) => name === clientName);
  return named.flatMap((connection) => connection.subscriptions_list ?? []).toSorted();
}
