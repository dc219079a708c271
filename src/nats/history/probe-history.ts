import { connect, type NatsConnection } from "nats";
import type { HistoryClass } from "../../core/history.js";
import { ignore } from "../../util/ignore.js";
import { createConnectionOptions, describeConnectFailure } from "../link/connect.js";
import type { NatsOptions } from "../link/options.js";

/** Result of asking a NATS server about history classes. */
export interface HistoryProbe {
  /** Reason why no server could be asked; undefined if one has answered. */
  readonly unreachable: string | undefined;
  readonly problems: readonly string[];
}

/**
 * Asks a NATS server, without changing anything there, whether it can keep history classes.
 * @param timeout - for the connection and for each answer, in milliseconds
 */
export async function probeHistory(
  options: NatsOptions,
  classes: readonly HistoryClass[],
  timeout: number,
): Promise<HistoryProbe> {
  let connection: NatsConnection;
  try {
    connection = await connect({ ...createConnectionOptions(options), reconnect: false, timeout });
  } catch (cause) {
    return { unreachable: describeConnectFailure(cause), problems: [] };
  }
  try {
    return { unreachable: undefined, problems: await findProblems(connection, classes, timeout) };
  } finally {
    await connection.close().catch(ignore);
  }
}

async function findProblems(
  connection: NatsConnection,
  classes: readonly HistoryClass[],
  timeout: number,
): Promise<readonly string[]> {
  let limits: { readonly max_memory: number; readonly max_storage: number; readonly max_streams: number };
  try {
    const manager = await connection.jetstreamManager({ timeout });
    ({ limits } = await manager.getAccountInfo());
  } catch (cause) {
    return [`history requires JetStream, which does not answer: ${describeConnectFailure(cause)}`];
  }
  const problems: string[] = [];
  if (connection.info?.cluster === undefined) {
    for (const { name, replicas } of classes) {
      if (replicas > 1)
        problems.push(
          `history class ${JSON.stringify(name)}: the server is not in a cluster, but replicas is ${replicas}`,
        );
    }
  }
  const stores = [
    ["file", limits.max_storage],
    ["memory", limits.max_memory],
  ] as const;
  for (const [storage, limit] of stores) {
    const bytes = classes.reduce((sum, each) => sum + (each.storage === storage ? each.bytes * each.replicas : 0), 0);
    if (limit >= 0 && bytes > limit) {
      problems.push(`the history classes need ${bytes} bytes of ${storage} storage, the account's limit is ${limit}`);
    }
  }
  if (limits.max_streams >= 0 && classes.length > limits.max_streams) {
    problems.push(
      `${classes.length} history classes need as many streams, the account's limit is ${limits.max_streams}`,
    );
  }
  return problems;
}
