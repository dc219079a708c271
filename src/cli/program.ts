import { Command, CommanderError, InvalidArgumentError } from "commander";
import type { DialectModule } from "../dialects/module.js";
import { packageVersion } from "../util/package-root.js";
import { addBenchCommand } from "./bench/add-bench-command.js";
import { EXIT } from "./exit-code.js";
import { addBackendOptions, addBrokerOption, addClientOptions, addHealthOptions } from "./node-options.js";
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
    if (!isKnown()) await addCompletionCommands(program, argv);
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
async function addCompletionCommands(program: Command, argv: readonly string[]): Promise<void> {
  const { default: addCompletion } = await import("@bomb.sh/tab/commander");
  const { commands } = addCompletion(program, { completionCommandName: COMPLETION });
  const completion = program.commands.find((command) => command.name() === COMPLETION);
  completion?.description("print a script that lets a shell complete commands: bash, fish, powershell or zsh");
  completion?.hook("preAction", repairScript);
  const [, , name, separator, ...words] = argv;
  if (name !== "complete" || separator !== "--") return;
  const { addNodeCompletions } = await import("./operate/node-completion.js");
  await addNodeCompletions(program, commands, words);
}

/** Has the package, which prints its script by console.log, print one that bash can read twice and without bash-completion. */
function repairScript(): void {
  const { log } = console;
  const print = (script: unknown): void => {
    Object.assign(console, { log });
    const repaired = String(script)
      .replaceAll(/^readonly (?=ShellComp)/gm, "")
      .replace(/^ {4}_get_comp_words_by_ref .*$/m, () => READ_WORDS);
    process.stdout.write(`${repaired}\n`);
  };
  Object.assign(console, { log: print });
}

const READ_WORDS = `\
    if declare -F _get_comp_words_by_ref >/dev/null; then
        _get_comp_words_by_ref -n "=:" cur prev words cword
    else
        cur=\${COMP_WORDS[COMP_CWORD]} words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD
    fi`;

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
    .option("--processes <auto|number>", "processes that serve the same ports; more than 1 need NATS", parseProcesses)
    .option(
      "--with-nats",
      "run a nats-server of its own, found on the PATH or named in NATS_SERVER, as the broker and store",
    )
    .option("--nats-folder <folder>", "folder for its data (default: nats-data in the working directory)")
    .option("--insecure", "allow addresses other than loopback without keys")
    .option("--try", "print commands to try the node with")
    .action(async (flags) => (await import("./serve/serve.js")).serveCommand(flags));

  addHealthOptions(
    program
      .command("health")
      .description(
        "ask a node whether it runs, or with --ready whether it can serve; exit code 1 if not, 3 if it does not answer",
      ),
  ).action(async (flags) => (await import("./operate/health.js")).healthCommand(flags));

  addBackendOptions(
    addBrokerOption(
      program
        .command("publish")
        .description("publish one message; prints its id, its stage (accepted, flushed or stored) and its position")
        .argument("<topic>", "topic to publish on")
        .argument("[payload]", "payload of the message; read from stdin if omitted or -")
        .option("-e, --event <name>", "name of the event")
        .option("--id <id>", "id of the message (default: chosen by the server)")
        .option("--async", "do not wait for the broker")
        .option("--json", "print the receipt as JSON"),
    ),
  ).action(async (topic, payload, flags) => (await import("./publish.js")).publishCommand(topic, payload, flags));

  addBackendOptions(
    addBrokerOption(
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
    ),
  ).action(async (topic, flags) => (await import("./history.js")).historyCommand(topic, flags));

  addBackendOptions(
    addBrokerOption(
      program
        .command("purge")
        .description("remove the stored messages of a topic; prints their number")
        .argument("<topic>", "topic with history")
        .option("--json", "print the number as JSON"),
    ),
  ).action(async (topic, flags) => (await import("./history.js")).purgeCommand(topic, flags));

  addClientOptions(
    program
      .command("listen")
      .description("print messages of topics until interrupted")
      .argument("<topic...>", "topics to listen to")
      .option("--json", "print each message as JSON with its id, event, time and position")
      .option(
        "--since <start>",
        "print stored messages first: their number (20), those since a moment (10m, or a time in RFC 3339), or those after a position",
      ),
  ).action(async (topics, flags) => (await import("./listen.js")).listenCommand(topics, flags));

  addOperatorCommands(program);
  addBenchCommand(program);

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
    .option("--json", "print the decision as JSON")
    .action(async (action, topic, flags) => (await import("./access.js")).explainAccessCommand(action, topic, flags));

  const keyCommand = program.command("key").description("create and hash backend keys");
  keyCommand
    .command("create")
    .description("create a key and print its configuration entry")
    .option("--name <name>", "name of the key", "backend")
    .option("--json", "print the key and its hash as JSON")
    .action(async (flags) => (await import("./key.js")).createKeyCommand(flags));
  keyCommand
    .command("hash")
    .description("print the hash of a key from stdin")
    .action(async () => (await import("./key.js")).hashKeyCommand());

  program
    .command("admin")
    .description("prepare the dashboard")
    .command("password")
    .description("print the hash of a password from the terminal or stdin, for admin.password_hash")
    .action(async () => (await import("./admin.js")).hashPasswordCommand());

  const configCommand = program
    .command("config")
    .description("show and check configuration")
    .option("--print-defaults", "print every setting with its default and description, as a file to start from")
    .option("--check <file>", "validate a file and the files that it names")
    .option("--schema", "print the JSON Schema of configuration files, for editors")
    .option("--explain <key>", "print the meaning, default, range and current value of a setting such as limits.outbox")
    .option(
      "-c, --config <file>",
      "YAML file that --explain reads (default: carillon.yaml in the working directory, if it exists)",
    );
  configCommand.action(async (flags) => {
    await (await import("./config.js")).configCommand(flags, () => {
      configCommand.outputHelp({ error: true });
    });
  });
  return program;
}

function parseProcesses(text: string): "auto" | number {
  if (text === "auto") return text;
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected auto or a number from 1.");
}
