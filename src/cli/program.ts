import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { DialectModule } from "../dialects/module.js";
import { packageVersion } from "../util/package-root.js";
import { addBackendOptions } from "./backend-options.js";
import { EXIT } from "./exit-code.js";
import { addOperatorCommands } from "./operate/operator-commands.js";

const EXIT_CODES = `
Exit codes: 0 success; 1 refused or failed; 2 invalid usage or configuration; 3 server or broker unreachable.`;

const COMPLETION = "completion";

/**
 * Runs the command line. Each command is loaded when it is used, so that publishing does not load the server's modules.
 *
 * @param argv - in the form of process.argv
 */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    const program = createProgram();
    const [, , name = ""] = argv;
    const isKnown = (): boolean => program.commands.some((command) => command.name() === name);
    if (!isKnown()) await addDialectCommands(program);
    if (!isKnown()) await addCompletionCommands(program);
    await program.parseAsync([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version also end with a CommanderError, with code 0.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

/** Adds the dialects' commands, for themselves, help and unknown names only, because it loads the whole server. */
async function addDialectCommands(program: Command): Promise<void> {
  const [{ DIALECTS }, { addDialectCommand }] = await Promise.all([
    import("../server/dialects.js"),
    import("./dialect-commands.js"),
  ]);
  const dialects: readonly DialectModule[] = DIALECTS;
  for (const { command } of dialects) if (command !== undefined) addDialectCommand(program, command);
}

/** Adds the commands of shell completion, which need all others. */
async function addCompletionCommands(program: Command): Promise<void> {
  const { default: addCompletion } = await import("@bomb.sh/tab/commander");
  addCompletion(program, { completionCommandName: COMPLETION });
  const completion = program.commands.find((command) => command.name() === COMPLETION);
  completion?.description("print a script that lets a shell complete commands: bash, fish, powershell or zsh");
}

function createProgram(): Command {
  const program = new Command("carillon")
    .description(
      "A broker for real-time messages: backends publish over gRPC or Connect, browsers subscribe over WebSocket.",
    )
    .version(packageVersion)
    .exitOverride()
    .showHelpAfterError("Run with --help for usage.")
    .addHelpText("after", EXIT_CODES);

  program
    .command("serve", { isDefault: false })
    .description("run a node")
    .option(
      "-c, --config <file>",
      "YAML file with settings (default: carillon.yaml in the working directory, if it exists)",
    )
    .option("--http <host:port>", "address of WebSocket, Connect, health and metrics (default: 127.0.0.1:8080)")
    .option("--grpc <host:port>", "address of gRPC (default: 127.0.0.1:6001)")
    .option("--broker <memory|url>", "broker: memory (one node only) or nats://HOST:PORT")
    .option("--insecure", "allow addresses other than loopback without keys")
    .option("--try", "print commands to try the node with")
    .action(async (flags) => (await import("./serve.js")).serveCommand(flags));

  addBackendOptions(
    program
      .command("publish")
      .description("publish one message; prints its id, its stage (accepted, flushed or stored) and its position")
      .argument("<topic>", "topic to publish on")
      .argument("[payload]", "payload of the message; read from stdin if omitted or -")
      .option("-e, --event <name>", "name of the event")
      .option("--id <id>", "id of the message (default: chosen by the server)")
      .option("--async", "do not wait for the broker"),
  ).action(async (topic, payload, flags) => (await import("./publish.js")).publishCommand(topic, payload, flags));

  addBackendOptions(
    program
      .command("history")
      .description(
        "print stored messages of a topic, the oldest first; the latest ones unless --after or --since is given",
      )
      .argument("<topic>", "topic with history")
      .option("-n, --limit <number>", "number of messages, at most 1000", "100")
      .option("--after <position>", "only messages after this position")
      .option("--before <position>", "only messages before this position")
      .option("--since <moment>", "only messages since this moment: how long ago, such as 10m, or a time in RFC 3339")
      .option("--until <moment>", "only messages until this moment")
      .option("--json", "print each message as JSON with its id, event, time and position"),
  ).action(async (topic, flags) => (await import("./history.js")).historyCommand(topic, flags));

  addBackendOptions(
    program
      .command("purge")
      .description("remove the stored messages of a topic; prints their number")
      .argument("<topic>", "topic with history"),
  ).action(async (topic, flags) => (await import("./history.js")).purgeCommand(topic, flags));

  program
    .command("rebalance")
    .description(
      "close clients of nodes that have more than their share until the nodes are even; exit code 1 if they do not become even",
    )
    .option("--tolerance <percent>", "largest excess over a node's share, 1 to 100 (default: 10)")
    .option("--rate <number>", "clients that each node closes per second (default: drain.rate of the node)")
    .option("--dry-run", "print the clients of each node, and close none")
    .option("--json", "print each step as JSON")
    .option("--key <key>", "key of the default vhost with the action vhosts; prefer CARILLON_KEY")
    .option("--tls", "connect to the gRPC port with TLS")
    .option("--ca <file>", "PEM file of the authority that signed its certificate; implies --tls")
    .option("-s, --server <host:port>", "gRPC port of a node", process.env["CARILLON_GRPC"] ?? "127.0.0.1:6001")
    .action(async (flags) => (await import("./rebalance.js")).rebalanceCommand(flags));

  const listenCommand = program
    .command("listen")
    .description("print messages of topics until interrupted")
    .argument("<topic...>", "topics to listen to")
    .option("--token <token>", "client token; prefer CARILLON_TOKEN, because command lines are visible to other users")
    .option("--ca <file>", "PEM file of the authority that signed the node's certificate; for wss:// URLs")
    .option("--json", "print each message as JSON with its id, event, time and position")
    .option(
      "--since <start>",
      "print stored messages first: their number (20), those since a moment (10m, or a time in RFC 3339), or those after a position",
    )
    .option("-u, --url <url>", "WebSocket URL of a node", parseWebSocketUrl, createDefaultUrl());
  listenCommand.action(async (topics, flags) => {
    // Commander does not parse defaults.
    if (!isWebSocketUrl(flags.url)) listenCommand.error("error: CARILLON_HTTP: expected HOST:PORT");
    if (flags.ca !== undefined && !flags.url.startsWith("wss:")) {
      // The connection would be unencrypted, including the token.
      listenCommand.error("error: --ca: requires a wss:// URL");
    }
    (await import("./listen.js")).listenCommand(topics, flags);
  });

  addOperatorCommands(program);

  const accessCommand = program.command("access").description("check permissions");
  accessCommand
    .command("explain")
    .description("explain whether an action of a client is permitted; exit code 0 if allowed, 1 if refused")
    .argument("<action>", "join, publish, call, presence or history")
    .argument("<topic>", "topic; event for call")
    .option(
      "-c, --config <file>",
      "YAML file with settings (default: carillon.yaml in the working directory, if it exists)",
    )
    .option("--vhost <path>", "vhost", "/")
    .option("--token <jwt>", "check a client with this token; - reads it from stdin")
    .option("--anonymous", "check a client without a token")
    .option("--permissions <json>", 'check a client with permissions such as {"join":["orders.*"]}')
    .action(async (action, topic, flags) => (await import("./access.js")).explainAccessCommand(action, topic, flags));

  const keyCommand = program.command("key").description("create and hash backend keys");
  keyCommand
    .command("create")
    .description("create a key and print its configuration entry")
    .option("--name <name>", "name of the key", "backend")
    .action(async (flags) => (await import("./key.js")).createKeyCommand(flags));
  keyCommand
    .command("hash")
    .description("print the hash of a key from stdin")
    .action(async () => (await import("./key.js")).hashKeyCommand());

  const configCommand = program
    .command("config")
    .description("show and check configuration")
    .option("--print-defaults", "print every setting with its default and description, as a file to start from")
    .option("--check <file>", "validate a file and the files that it names");
  configCommand.action(async (flags) => {
    await (await import("./config.js")).configCommand(flags, () => {
      configCommand.outputHelp({ error: true });
    });
  });
  return program;
}

/** Returns the URL of the node on this machine, at the address in CARILLON_HTTP if set. */
function createDefaultUrl(): string {
  return `ws://${process.env["CARILLON_HTTP"] ?? "127.0.0.1:8080"}/ws`;
}

function parseWebSocketUrl(text: string): string {
  if (isWebSocketUrl(text)) return text;
  throw new InvalidArgumentError("Expected a WebSocket URL such as ws://127.0.0.1:8080/ws or wss://example.com/ws.");
}

/** Whether a text is a WebSocket URL, which has no fragment. */
function isWebSocketUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { hash, protocol } = new URL(text);
  return hash === "" && (protocol === "ws:" || protocol === "wss:");
}
