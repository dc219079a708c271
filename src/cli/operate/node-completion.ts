import { readFileSync } from "node:fs";
import type { Command as CompletedCommand } from "@bomb.sh/tab";
import type { Command } from "commander";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { WorkerService } from "../../../gen/carillon/v1/worker_pb.js";
import { BackendClient } from "../../outbound/backend/backend-client.js";
import { parseDuration } from "../moment.js";
import { type BackendFlags, parseServer } from "../node-options.js";

/** Milliseconds that a user waits for completions at most, unless the environment says otherwise. */
const PATIENCE = 1_000;

/** Name of the variable with a duration, such as `5s`, for nodes that are far away. */
const PATIENCE_VARIABLE = "CARILLON_COMPLETION_TIMEOUT";

/** Number of topics or connections that are offered. */
const MAX_OFFERED = 100;

/** Reads the words that begin with a text. */
type ReadWords = (client: BackendClient, begin: string, timeout: number) => Promise<readonly string[]>;

const readTopics: ReadWords = async (client, prefix, timeout) => {
  const request = { prefix, pageSize: MAX_OFFERED };
  const { topics } = await client.call(ControlService.method.listTopics, request, timeout);
  return topics.map(({ name }) => name);
};

const readConnections: ReadWords = async (client, _begin, timeout) => {
  const request = { pageSize: MAX_OFFERED };
  const { connections } = await client.call(ControlService.method.listConnections, request, timeout);
  return connections.map(({ id }) => id);
};

/** Reads the events that workers accept by name, without patterns. */
const readEvents: ReadWords = async (client, _begin, timeout) => {
  const { workers } = await client.call(WorkerService.method.listWorkers, {}, timeout);
  return workers.flatMap(({ events }) => events.filter((event) => !/[*>:]/.test(event)));
};

/** Arguments and options that a node completes, by command. */
const COMPLETED: Readonly<Record<string, Readonly<Record<string, ReadWords>>>> = {
  publish: { topic: readTopics },
  history: { topic: readTopics },
  purge: { topic: readTopics },
  presence: { topic: readTopics },
  listen: { topic: readTopics },
  topics: { prefix: readTopics },
  connections: { "--topic": readTopics },
  connection: { id: readConnections },
  disconnect: { connection: readConnections },
  call: { event: readEvents },
};

/**
 * Asks the node, which the words or the environment name, for completions of the last word. Does nothing where the node does not
 * answer soon, or refuses.
 * @param words - words of the command line after the program's name; the last one is to be completed
 */
export async function addNodeCompletions(
  program: Command,
  completed: ReadonlyMap<string, CompletedCommand>,
  words: readonly string[],
): Promise<void> {
  const [name = "", ...rest] = words;
  const readers = Object.entries(COMPLETED[name] ?? {});
  const last = rest.pop() ?? "";
  const command = program.commands.find((candidate) => candidate.name() === name);
  if (readers.length === 0 || command === undefined || last.startsWith("-")) return;
  try {
    // An option without its value comes last when its value is to be completed.
    command.parseOptions(rest.at(-1)?.startsWith("-") === true ? rest.slice(0, -1) : rest);
    const { ca, key = process.env["CARILLON_KEY"], server, vhost } = command.opts<BackendFlags>();
    const isNamed = command.getOptionValueSource("server") === "cli";
    const url = isNamed ? server : parseServer(process.env["CARILLON_SERVER"] ?? server);
    const client = new BackendClient({ url, key, vhost, ca: ca === undefined ? undefined : readFileSync(ca) });
    const timeout = parseDuration(process.env[PATIENCE_VARIABLE] ?? "") ?? PATIENCE;
    try {
      for (const [target, read] of readers) offer(completed.get(name), target, await read(client, last, timeout));
    } finally {
      client.close();
    }
  } catch {
    // A shell has no place for errors.
  }
}

/** Completes an argument, or an option that begins with `--`, with some words. */
function offer(command: CompletedCommand | undefined, target: string, words: readonly string[]): void {
  const place = target.startsWith("--") ? command?.options.get(target.slice(2)) : command?.arguments.get(target);
  if (place === undefined) return;
  place.handler = (complete) => {
    // Shells read a word in each line.
    for (const word of words) if (!/[\p{C}\s]/u.test(word)) complete(word, "");
  };
}
