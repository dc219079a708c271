import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { invalidArgument } from "../errors.js";
import { errorText } from "../util/native-error.js";
import { parseDuration } from "./moment.js";

/** Address of a node that runs on this machine with default settings. */
const DEFAULT_SERVER = "http://127.0.0.1:8080";

/** Options of every command that reaches a node. */
export interface NodeFlags {
  /** URL of a node, as `parseServer` returns it. */
  readonly server: string;
  readonly vhost?: string | undefined;
  /** PEM file. */
  readonly ca?: string;
}

/** Options of commands that reach a node as a backend. */
export interface BackendFlags extends NodeFlags {
  readonly key?: string;
}

/** Options of commands that reach a node as a client. */
export interface ClientFlags extends NodeFlags {
  readonly token?: string;
}

/** Adds the options with which a command reaches a node as a backend. */
export function addBackendOptions(command: Command): Command {
  return addAddressOptions(command.addOption(createKeyOption()));
}

/** Adds the options with which a command reaches a node as a client. */
export function addClientOptions(command: Command): Command {
  return addAddressOptions(command.addOption(createTokenOption()));
}

/** Adds the options of a command that is both a backend and a client. */
export function addBothOptions(command: Command): Command {
  return addAddressOptions(command.addOption(createKeyOption()).addOption(createTokenOption()));
}

/** Adds the options of a command that checks a node, by default the one that is configured here. */
export function addHealthOptions(command: Command): Command {
  return command
    .option("--ready", "ask for the readiness, and print the reasons against it")
    .option("--wait <duration>", "ask again until the answer is good, for at most this time, such as 30s", parseWait)
    .option(
      "-c, --config <file>",
      "YAML file with the node's settings (default: carillon.yaml in the working directory, if it exists)",
    )
    .option("--ca <file>", "PEM file of the authority that signed the certificate of --server")
    .option(
      "-s, --server <url>",
      "address of the HTTP port, or of admin.listen: http(s)://HOST:PORT (default: as configured)",
      parseHttpServer,
    )
    .hook("preAction", checkAuthority)
    .hook("preAction", readSecretFiles);
}

/** Adds an option for the broker of a topic. */
export function addBrokerOption(command: Command): Command {
  return command.option("--broker-name <name>", "broker of the topic (default: the server's default)");
}

function createKeyOption(): Option {
  return new Option("--key <key>", "backend key; command lines are visible to other users, so prefer the variable").env(
    "CARILLON_KEY",
  );
}

function createTokenOption(): Option {
  return new Option(
    "--token <token>",
    "client token; command lines are visible to other users, so prefer the variable",
  ).env("CARILLON_TOKEN");
}

function addAddressOptions(command: Command): Command {
  return command
    .option("--vhost <path>", "vhost (default: the key's, or /)", parseVhost)
    .option("--ca <file>", "PEM file of the authority that signed the node's certificate")
    .addOption(
      new Option(
        "-s, --server <url>",
        "address of a node: http(s)://HOST:PORT, or grpc(s)://HOST:PORT for its gRPC port",
      )
        .env("CARILLON_SERVER")
        .argParser(parseServer)
        .default(DEFAULT_SERVER),
    )
    .hook("preAction", checkAuthority)
    .hook("preAction", readSecretFiles);
}

function checkAuthority(_command: Command, used: Command): void {
  const { ca, server = "" } = used.opts<Partial<NodeFlags>>();
  // The connection would be unencrypted, including the key or token.
  if (ca !== undefined && !/^(?:https|grpcs):/.test(server))
    used.error("error: --ca: requires an address with https:// or grpcs://");
}

/**
 * Returns the URL at which clients connect to a node.
 * @throws CarillonError invalid_argument: the address is one of a gRPC port
 */
export function toWebSocketUrl({ server, vhost = "/" }: Pick<NodeFlags, "server" | "vhost">): string {
  if (!server.startsWith("http")) throw invalidArgument("--server: clients need an address with http:// or https://");
  return `${server.replace("http", "ws")}/ws${vhost === "/" ? "" : vhost}`;
}

/**
 * Parses the address of a node. HOST:PORT means its HTTP port. Only addresses of HTTP ports may have a path, of a proxy.
 * @returns a URL without a slash at its end
 */
export function parseServer(text: string): string {
  const url = text.includes("://") ? text : `http://${text}`;
  if (URL.canParse(url)) {
    const { hash, host, pathname, protocol, search, username } = new URL(url);
    const hasPath = /^https?:$/.test(protocol) || (/^grpcs?:$/.test(protocol) && /^\/?$/.test(pathname));
    if (hasPath && host !== "" && hash + search + username === "") return url.replace(/\/+$/, "");
  }
  throw new InvalidArgumentError("Expected an address such as http://127.0.0.1:8080 or grpc://127.0.0.1:6001.");
}

function parseHttpServer(text: string): string {
  const server = parseServer(text);
  if (server.startsWith("http")) return server;
  throw new InvalidArgumentError("Expected an address such as http://127.0.0.1:8080.");
}

function parseWait(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined) return milliseconds;
  throw new InvalidArgumentError("Expected a duration such as 30s or 2m.");
}

function parseVhost(text: string): string {
  if (text.startsWith("/")) return text;
  throw new InvalidArgumentError("Expected a path such as /shop.");
}

/** Reads the key and the token that are not given from the files that CARILLON_KEY_FILE and CARILLON_TOKEN_FILE name. */
function readSecretFiles(_command: Command, used: Command): void {
  for (const [option, variable] of [
    ["key", "CARILLON_KEY_FILE"],
    ["token", "CARILLON_TOKEN_FILE"],
  ] as const) {
    const { [variable]: file } = process.env;
    const isOption = used.options.some((known) => known.attributeName() === option);
    if (file === undefined || !isOption || used.getOptionValue(option) !== undefined) continue;
    try {
      used.setOptionValue(option, readFileSync(file, "utf8").trim());
    } catch (cause) {
      used.error(`error: ${variable}: ${errorText(cause)}`);
    }
  }
}
