import { type Command, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../moment.js";
import { addBothOptions, addBrokerOption, parseServer } from "../node-options.js";
import { MIN_PAYLOAD } from "./stamp.js";

/** Adds the command that loads a node and measures it. */
export function addBenchCommand(program: Command): void {
  addBothOptions(
    addBrokerOption(
      program
        .command("bench")
        .description(
          "load a node: connect clients, publish at a rate, and measure delivery; exit code 1 if messages are lost, repeated or out of order",
        )
        .option("-n, --clients <number>", "clients, each in one topic", parseCount(1_000_000), 100)
        .option("-r, --rate <number>", "published messages per second", parseCount(10_000_000), 100)
        .addOption(
          new Option("-d, --duration <duration>", "time of publishing, such as 500ms, 30s or 5m")
            .argParser(parseBenchDuration)
            .default(10_000, "10s"),
        )
        .option("--size <bytes>", `payload of a message, ${MIN_PAYLOAD} to 1048576 bytes`, parseSize, 100)
        .option("--topics <number>", "topics that clients and messages are spread over", parseCount(100_000), 1)
        .option("--topic <prefix>", "beginning of the topics' names (default: random)")
        .option("--publishers <number>", "connections that publish", parseCount(64), 1)
        .option(
          "--connect-rate <number>",
          "clients that connect per second (default: as fast as possible)",
          parseCount(1_000_000),
        )
        .option("--threads <number>", "threads for the clients", parseCount(256), 1)
        .option(
          "--clients-at <url...>",
          "addresses that clients connect to in turn, such as a load balancer's (default: the one of --server)",
          collectServers,
        )
        .option("--from <address...>", "local addresses that clients connect from in turn; each has about 28,000 ports")
        .option("--json", "print the result as JSON"),
    ),
  ).action(async (flags) => (await import("./bench-command.js")).benchCommand(flags));
}

function parseCount(most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,8}$/.test(text) ? Number(text) : 0;
    if (value >= 1 && value <= most) return value;
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${most}.`);
  };
}

function parseSize(text: string): number {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (value >= MIN_PAYLOAD && value <= 1_048_576) return value;
  throw new InvalidArgumentError(`Expected a number of bytes from ${MIN_PAYLOAD} to 1048576.`);
}

function parseBenchDuration(text: string): number {
  const milliseconds = parseDuration(text) ?? 0;
  if (milliseconds >= 100 && milliseconds <= 86_400_000) return milliseconds;
  throw new InvalidArgumentError("Expected a duration from 100ms to 1d.");
}

function collectServers(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, parseServer(text)];
}
