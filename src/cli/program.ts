import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { DialectModule } from "../dialects/module.js";
import { packageVersion } from "../util/package-root.js";
import { EXIT } from "./exit-code.js";

const EXIT_CODES = `
Exit codes: 0 done; 1 refused or failed; 2 wrong usage or configuration; 3 server or broker not reachable.`;

/**
 * Runs the command line. Each command is loaded when it is used: publishing does not wait for the server's modules.
 *
 * @param argv - as process.argv
 */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    const program = createProgram();
    const [, , name = ""] = argv;
    if (!program.commands.some((command) => command.name() === name)) await addDialectCommands(program);
    await program.parseAsync([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Help and version end this way too, with 0.
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
}

/** Loads all of the server: for names that none of its own commands has, and for help. */
async function addDialectCommands(program: Command): Promise<void> {
  const [{ DIALECTS }, { addDialectCommand }] = await Promise.all([
    import("../server/dialects.js"),
    import("./dialect-commands.js"),
  ]);
  const dialects: readonly DialectModule[] = DIALECTS;
  for (const { command } of dialects) if (command !== undefined) addDialectCommand(program, command);
}

function createProgram(): Command {
  const program = new Command("carillon")
    .description(
      "A broker for real-time messages: backends publish over gRPC or Connect, browsers hear it over WebSocket.",
    )
    .version(packageVersion)
    .exitOverride()
    .showHelpAfterError("Add --help for what can be said here.")
    .addHelpText("after", EXIT_CODES);

  program
    .command("serve", { isDefault: false })
    .description("run a node")
    .option("-c, --config <file>", "YAML file with settings (default: carillon.yaml here, if there is one)")
    .option("--http <host:port>", "where WebSocket, Connect, health and metrics are served (default: 127.0.0.1:8080)")
    .option("--grpc <host:port>", "where gRPC is served (default: 127.0.0.1:6001)")
    .option("--broker <memory|url>", "how nodes are joined: memory (one node only) or nats://HOST:PORT")
    .option("--insecure", "listen on other than loopback addresses although nobody is asked for a key")
    .option("--try", "print three lines to try the node with")
    .action(async (flags) => (await import("./serve.js")).serveCommand(flags));

  program
    .command("publish")
    .description("publish one message; prints its id and how far it got: accepted, flushed, stored")
    .argument("<topic>", "topic to publish on")
    .argument("[payload]", "the message; read from stdin when left out or -")
    .option("-e, --event <name>", "name of what happened")
    .option("--id <id>", "id of the message (default: the server makes one)")
    .option("--broker-name <name>", "broker to publish through (default: the server's default)")
    .option("--async", "do not wait for the broker")
    .option("--key <key>", "the backend's key; better in CARILLON_KEY, as others on the machine see command lines")
    .option("--vhost <path>", "vhost to publish in (default: the key's)")
    .option("--tls", "the node's gRPC port has TLS")
    .option("--ca <file>", "PEM file of the authority that signed its certificate; implies --tls")
    .option("-s, --server <host:port>", "gRPC port of a node", process.env["CARILLON_GRPC"] ?? "127.0.0.1:6001")
    .action(async (topic, payload, flags) => (await import("./publish.js")).publishCommand(topic, payload, flags));

  const listenCommand = program
    .command("listen")
    .description("print what is published on topics, until interrupted")
    .argument("<topic...>", "topics to listen to")
    .option("--token <token>", "who listens; better in CARILLON_TOKEN, as others on the machine see command lines")
    .option("--ca <file>", "PEM file of the authority that signed the node's certificate; for wss:// URLs")
    .option("--json", "print each message as JSON with its id, event and time")
    .option("-u, --url <url>", "WebSocket URL of a node", webSocketUrl, defaultUrl());
  listenCommand.action(async (topics, flags) => {
    // A default goes through no parser.
    if (!isWebSocketUrl(flags.url)) listenCommand.error("error: CARILLON_HTTP: expected HOST:PORT");
    if (flags.ca !== undefined && !flags.url.startsWith("wss:")) {
      // It would be connected to in the clear, token and all.
      listenCommand.error("error: --ca: expected a wss:// URL with it");
    }
    (await import("./listen.js")).listenCommand(topics, flags);
  });

  const accessCommand = program.command("access").description("questions about who may do what");
  accessCommand
    .command("explain")
    .description("say whether a client may do something, and why; exit code 0 allowed, 1 refused")
    .argument("<action>", "join, publish, call or presence")
    .argument("<topic>", "topic; for call: event")
    .option("-c, --config <file>", "YAML file with settings (default: carillon.yaml here, if there is one)")
    .option("--vhost <path>", "vhost", "/")
    .option("--token <jwt>", "who asks: the bearer of this token; - reads it from stdin")
    .option("--anonymous", "who asks: a client without a token")
    .option("--permissions <json>", 'who asks: somebody with these, such as {"join":["orders.*"]}')
    .action(async (action, topic, flags) => (await import("./access.js")).explainAccessCommand(action, topic, flags));

  const keyCommand = program.command("key").description("keys of backends");
  keyCommand
    .command("create")
    .description("make a key, and print what the configuration wants of it")
    .option("--name <name>", "its name", "backend")
    .action(async (flags) => (await import("./key.js")).createKeyCommand(flags));
  keyCommand
    .command("hash")
    .description("print the hash of a key that is read from stdin")
    .action(async () => (await import("./key.js")).hashKeyCommand());

  const configCommand = program
    .command("config")
    .description("show and check configuration")
    .option("--print-defaults", "print every setting with its default and meaning, as a file to start from")
    .option("--check <file>", "say whether a file, and the files that it names, are good, or what is wrong with them");
  configCommand.action(async (flags) => {
    await (await import("./config.js")).configCommand(flags, () => {
      configCommand.outputHelp({ error: true });
    });
  });
  return program;
}

/** Beside the server on the same machine, CARILLON_HTTP names it. */
function defaultUrl(): string {
  return `ws://${process.env["CARILLON_HTTP"] ?? "127.0.0.1:8080"}/ws`;
}

function webSocketUrl(text: string): string {
  if (isWebSocketUrl(text)) return text;
  throw new InvalidArgumentError("Expected a WebSocket URL such as ws://127.0.0.1:8080/ws or wss://example.com/ws.");
}

/** WebSocket URLs have no fragments. */
function isWebSocketUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { hash, protocol } = new URL(text);
  return hash === "" && (protocol === "ws:" || protocol === "wss:");
}
