import { readFileSync } from "node:fs";
import { type Document, parseDocument, type YAMLParseError } from "yaml";
import { CarillonError } from "../errors.js";
import { formatAddress, isLoopback } from "../util/address.js";
import { readEnvironment } from "./environment.js";
import { describeIssues } from "./issues.js";
import { type Config, type ConfigInput, schema } from "./schema.js";

type Input = Readonly<Record<string, unknown>>;

export interface ConfigSources {
  /** Path of a YAML file. */
  readonly file?: string | undefined;
  readonly environment?: NodeJS.ProcessEnv;
  /** What flags say, as a configuration file would hold it. They win over the environment, that over the file. */
  readonly flags?: ConfigInput;
  /** `memory` or a NATS URL: in place of all brokers configured. */
  readonly broker?: string | undefined;
}

/**
 * Reads everything that configures a node into one complete, frozen configuration.
 * @throws CarillonError invalid_argument that names every fault, one a line
 */
export function loadConfig({ broker, environment = {}, file, flags = {} }: ConfigSources): Config {
  const fromFile = file === undefined ? {} : readConfigFile(file);
  const { faults, input } = readEnvironment(environment);
  if (faults.length > 0) throw new CarillonError("invalid_argument", faults.join("\n"));
  const shortForm = broker ?? environment["CARILLON_BROKER"];
  const fromShortForm = shortForm === undefined ? {} : brokersOf(shortForm);
  return parseConfig({ ...merge(merge(fromFile, input), flags), ...fromShortForm });
}

/** @throws CarillonError invalid_argument that names every fault, one a line */
export function parseConfig(input: ConfigInput): Config {
  const result = schema.safeParse(input);
  if (!result.success) throw new CarillonError("invalid_argument", describeIssues(result.error));
  checkExposure(result.data);
  return freeze(result.data);
}

/** @throws CarillonError invalid_argument for a file that cannot be read or is not YAML */
function readConfigFile(file: string): Input {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new CarillonError("invalid_argument", `cannot read ${file}: ${String(cause)}`, { cause });
  }
  const document = parseDocument(text, { prettyErrors: true });
  const [fault] = document.errors;
  if (fault !== undefined) throw new CarillonError("invalid_argument", `${file}: ${yamlFault(fault)}`);
  const content = contentOf(document, file);
  if (!isObject(content)) throw new CarillonError("invalid_argument", `${file}: expected keys and values`);
  return content;
}

/** What is wrong and where, without what the library quotes: there may be a secret in that line. */
function yamlFault({ linePos, message }: YAMLParseError): string {
  const [words] = message.split(/: | at line \d/, 1);
  const [start] = linePos ?? [];
  return start === undefined ? `${words}` : `${words} at line ${start.line}, column ${start.col}`;
}

function contentOf(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch {
    // Its words name the alias: a secret that begins with * and is not quoted, perhaps.
    throw new CarillonError("invalid_argument", `${file}: a value that begins with * and is not quoted`);
  }
}

function brokersOf(shortForm: string): ConfigInput {
  if (shortForm === "memory") return { brokers: { memory: { driver: "memory" } } };
  if (!/^(?:nats|tls):\/\//.test(shortForm)) {
    throw new CarillonError("invalid_argument", "broker: expected memory or nats://HOST:PORT");
  }
  return { brokers: { nats: { driver: "nats", servers: [shortForm] } } };
}

/** Without keys, whoever reaches the ports may publish and listen: only this machine, unless that is asked for. */
function checkExposure({ admin, grpc, http, insecure, vhosts }: Config): void {
  if (insecure || asksForKeys(vhosts)) return;
  for (const [name, address] of Object.entries({ http, grpc, "admin.listen": admin.listen })) {
    if (address === undefined || isLoopback(address.host)) continue;
    throw new CarillonError(
      "invalid_argument",
      `${name}: ${formatAddress(address)} can be reached from other machines, and no keys are configured to ask them for. ` +
        `Set vhosts./.keys (carillon key create prints one) or vhosts./.certificates; or listen on 127.0.0.1; ` +
        `or set insecure: true (--insecure) to let everybody publish and listen`,
    );
  }
}

/** Whether backends have to show who they are. One key in one vhost is enough: the others then let nobody in. */
export function asksForKeys(vhosts: Config["vhosts"]): boolean {
  return Object.values(vhosts).some(({ certificates, keys }) => keys.length > 0 || certificates.length > 0);
}

/** Objects are merged key by key, everything else is replaced. */
function merge(base: Input, over: Input): Input {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const known = result[key];
    if (value !== undefined) result[key] = isObject(known) && isObject(value) ? merge(known, value) : value;
  }
  return result;
}

function isObject(value: unknown): value is Input {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) freeze(inner);
    Object.freeze(value);
  }
  return value;
}
