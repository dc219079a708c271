import { type Command, InvalidArgumentError } from "commander";
import { parseDuration } from "../moment.js";
import { addBackendOptions, addBrokerOption } from "../node-options.js";

/** Default and longest time limit of a call, in milliseconds. Source: CallService. */
const CALL_TIMEOUT = 30_000;
const MAX_CALL_TIMEOUT = 600_000;

/** Adds the commands that look at the clients of all nodes, and act on them. */
export function addOperatorCommands(program: Command): void {
  addListOptions(
    addBackendOptions(
      program
        .command("topics")
        .description("list the topics that have sessions, with their number on all nodes")
        .argument("[prefix]", "beginning of the topics' names"),
    ),
  ).action(async (prefix, flags) => (await import("./topics.js")).topicsCommand(prefix, flags));

  addListOptions(
    addBackendOptions(
      program
        .command("connections")
        .description("list the clients of a vhost on all nodes")
        .option("--user <id>", "only clients of this user")
        .option("--topic <name>", "only clients in this topic")
        .option("--address <begin>", "only clients whose addresses begin so, such as 10.0.")
        .option("--dialect <name>", "only clients of this dialect"),
    ),
  ).action(async (flags) => (await import("./connections.js")).connectionsCommand(flags));

  addBackendOptions(
    program
      .command("connection")
      .description("print a client with its topics")
      .argument("<id>", "id of the connection")
      .option("--json", "print it as JSON"),
  ).action(async (id, flags) => (await import("./connections.js")).connectionCommand(id, flags));

  addListOptions(
    addBackendOptions(
      addBrokerOption(
        program
          .command("presence")
          .description("list the members of a topic on all nodes; prints their number on stderr")
          .argument("<topic>", "topic with presence"),
      ),
    ),
  ).action(async (topic, flags) => (await import("./presence.js")).presenceCommand(topic, flags));

  const disconnect = addBackendOptions(
    program
      .command("disconnect")
      .description("disconnect a client, or all clients of a user; prints how many there were")
      .argument("[connection]", "id of the connection")
      .option("--user <id>", "all clients of this user")
      .option("--code <number>", "WebSocket close code: 1000, or 3000 to 4999 (default: 4403)", parseCloseCode)
      .option("--reason <text>", "reason of the close")
      .option("--json", "print the number as JSON"),
  );
  disconnect.action(async (id, flags) => {
    if ((id === undefined) === (flags.user === undefined))
      disconnect.error("error: expected either the id of a connection or --user");
    await (await import("./connections.js")).disconnectCommand(id, flags);
  });

  addBackendOptions(
    program
      .command("call")
      .description("call a worker; prints each part of its answer in a line")
      .argument("<event>", "event that the worker handles")
      .argument("[payload]", "payload of the call; read from stdin if omitted or -")
      .option("--timeout <duration>", "time limit, such as 500ms or 5s", parseTimeout, CALL_TIMEOUT)
      .option("--trigger", "do not wait for the answer; prints the id of the task"),
  ).action(async (event, payload, flags) => (await import("./call.js")).callCommand(event, payload, flags));

  addBackendOptions(
    program
      .command("workers")
      .description("list the workers of a vhost on all nodes, with the events that they accept and their tasks")
      .option("--json", "print each worker as JSON in a line"),
  ).action(async (flags) => (await import("./workers.js")).workersCommand(flags));

  addBackendOptions(
    program
      .command("rebalance")
      .description(
        "close clients of nodes that have more than their share until the nodes are even; exit code 1 if they do not become even",
      )
      .option("--tolerance <percent>", "largest excess over a node's share, 1 to 100 (default: 10)")
      .option("--rate <number>", "clients that each node closes per second (default: drain.rate of the node)")
      .option("--dry-run", "print the clients of each node, and close none")
      .option("--json", "print each step as JSON"),
  ).action(async (flags) => (await import("./rebalance.js")).rebalanceCommand(flags));

  addBackendOptions(
    program
      .command("reload")
      .description(
        "have a node read its configuration again; prints the changed settings and those that need a restart; exit code 2 if it is invalid, and then nothing changes",
      ),
  ).action(async (flags) => (await import("./reload.js")).reloadCommand(flags));

  addBackendOptions(
    program
      .command("top")
      .description("show the load of all nodes until you press q")
      .option("--interval <duration>", "time between two readings: 250ms to 60s", parseInterval, 1_000)
      .option("--once", "print one reading and exit")
      .option("--json", "print each reading as JSON"),
  ).action(async (flags) => (await import("../top/top-command.js")).topCommand(flags));
}

function addListOptions(command: Command): Command {
  return command
    .option("-n, --limit <number>", "maximum number of entries", parseLimit, 100)
    .option("--json", "print each entry as JSON in a line");
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected a number from 1.");
}

function parseCloseCode(text: string): number {
  const code = /^\d{4}$/.test(text) ? Number(text) : 0;
  if (code === 1_000 || (code >= 3_000 && code <= 4_999)) return code;
  throw new InvalidArgumentError("Expected 1000, or 3000 to 4999.");
}

function parseInterval(text: string): number {
  const milliseconds = parseDuration(text) ?? 0;
  if (milliseconds >= 250 && milliseconds <= 60_000) return milliseconds;
  throw new InvalidArgumentError("Expected a duration from 250ms to 60s.");
}

function parseTimeout(text: string): number {
  const milliseconds = parseDuration(text) ?? 0;
  if (milliseconds >= 1 && milliseconds <= MAX_CALL_TIMEOUT) return milliseconds;
  throw new InvalidArgumentError("Expected a duration from 1ms to 10m.");
}
