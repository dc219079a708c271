import { readFileSync } from "node:fs";
import { type Document, parseDocument, type YAMLParseError } from "yaml";
import { findExpressionExcess } from "../access/patterns/expression-budget.js";
import { CarillonError } from "../errors.js";
import { formatAddress, isLoopback } from "../util/address.js";
import { isObject } from "../util/json.js";
import { writeDefaults } from "./defaults.js";
import type { DialectSettings } from "./dialect-settings.js";
import { readEnvironment } from "./environment.js";
import { describeIssues } from "./issues.js";
import { writeConfigurationPage } from "./reference.js";
import { type Config, createSchema, type NodeInput, type VhostSettings } from "./schema.js";
import { SettingsTree } from "./settings-tree.js";
import { createVhostSchema } from "./vhost.js";

type Fields = Readonly<Record<string, unknown>>;

export interface ConfigSources<Input extends object = object> {
  /** Path of a YAML file. */
  readonly file?: string | undefined;
  readonly environment?: NodeJS.ProcessEnv;
  /** Settings from flags, in the form of a configuration file. Flags override the environment, which overrides the file. */
  readonly flags?: Input;
  /** `memory` or the URL of a NATS server. Replaces all configured brokers. */
  readonly broker?: string | undefined;
}

/** Top-level keys that environment variables cannot hold, because their values are maps or variants. */
const MAPS = ["vhosts", "store"];

/** Reads the configuration of a node, for a given set of dialects. */
export class ConfigReader {
  readonly #dialects: readonly DialectSettings[];
  readonly #schema: ReturnType<typeof createSchema>;
  readonly #vhostSchema: ReturnType<typeof createVhostSchema>;
  #tree: SettingsTree | undefined;

  constructor(dialects: readonly DialectSettings[]) {
    this.#dialects = dialects;
    this.#schema = createSchema(dialects);
    this.#vhostSchema = createVhostSchema(dialects);
  }

  /** Keys of all settings. */
  get tree(): SettingsTree {
    this.#tree ??= new SettingsTree(this.#schema);
    return this.#tree;
  }

  /**
   * Merges all sources into one complete, frozen configuration.
   * @throws CarillonError invalid_argument, with one line for each fault
   */
  load({ broker, environment = {}, file, flags = {} }: ConfigSources): Config {
    const fromFile = file === undefined ? {} : readConfigFile(file);
    const { faults, input } = readEnvironment(environment, {
      settings: this.tree.settings,
      filesOnly: [...MAPS, ...this.#filesOnly],
      elsewhere: this.#dialects.flatMap(({ variables = [] }) => variables),
    });
    if (faults.length > 0) throw new CarillonError("invalid_argument", faults.join("\n"));
    const shortForm = broker ?? environment["CARILLON_BROKER"];
    const fromShortForm = shortForm === undefined ? {} : parseShortForm(shortForm);
    return this.parse({ ...merge(merge(fromFile, input), flags), ...fromShortForm });
  }

  /** Parses settings in the form of a file. @throws CarillonError invalid_argument, with one line for each fault */
  parse(input: object): Config {
    const result = this.#schema.safeParse(input);
    if (!result.success) {
      throw new CarillonError("invalid_argument", describeIssues(result.error, { knownKeys: this.#knownKeys }));
    }
    checkExposure(result.data);
    return freeze(result.data);
  }

  /**
   * Reads the settings of a vhost created at run time, whose regular expressions are bounded (rule A15).
   * @throws CarillonError invalid_argument, with one line for each fault
   */
  parseVhost(path: string, settings: object): VhostSettings {
    const excess = findExpressionExcess(settings);
    if (excess !== undefined) throw new CarillonError("invalid_argument", `settings: ${excess}`);
    const result = this.#vhostSchema.safeParse(settings);
    if (result.success) return result.data;
    const context = { knownKeys: this.#knownKeys, within: ["vhosts", path] };
    throw new CarillonError("invalid_argument", describeIssues(result.error, context));
  }

  /** Writes a YAML file to start from: every setting with its default and meaning. */
  writeDefaults(): string {
    return writeDefaults(this.#dialects, this.#filesOnly);
  }

  /** Writes the configuration reference, as Markdown with a final newline. */
  writePage(): string {
    return writeConfigurationPage(this.#schema, this.#filesOnly);
  }

  get #filesOnly(): readonly string[] {
    return this.#dialects.filter(({ filesOnly }) => filesOnly === true).map(({ name }) => name);
  }

  readonly #knownKeys = (path: readonly PropertyKey[]): readonly string[] => this.tree.knownKeys(path);
}

/** Reads a configuration file. @throws CarillonError invalid_argument: an unreadable file, or invalid YAML */
function readConfigFile(file: string): Fields {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new CarillonError("invalid_argument", `cannot read ${file}: ${String(cause)}`, { cause });
  }
  const document = parseDocument(text, { prettyErrors: true });
  const [fault] = document.errors;
  if (fault !== undefined) throw new CarillonError("invalid_argument", `${file}: ${yamlFault(fault)}`);
  const content = parseContent(document, file);
  if (!isObject(content)) throw new CarillonError("invalid_argument", `${file}: expected keys and values`);
  return content;
}

/** Describes a YAML error and its position. Omits the library's excerpt of the file, which may contain a secret. */
function yamlFault({ linePos, message }: YAMLParseError): string {
  const [words] = message.split(/: | at line \d/, 1);
  const [start] = linePos ?? [];
  return start === undefined ? `${words}` : `${words} at line ${start.line}, column ${start.col}`;
}

function parseContent(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch {
    // The library's message names the alias, which may be an unquoted secret that begins with *.
    throw new CarillonError("invalid_argument", `${file}: values that begin with * must be quoted`);
  }
}

function parseShortForm(shortForm: string): NodeInput {
  if (shortForm === "memory") return { brokers: { memory: { driver: "memory" } } };
  if (!/^(?:nats|tls):\/\//.test(shortForm)) {
    throw new CarillonError("invalid_argument", "broker: expected memory or nats://HOST:PORT");
  }
  return { brokers: { nats: { driver: "nats", servers: [shortForm] } } };
}

/** Requires loopback addresses when no keys are configured, unless open access is allowed explicitly. */
function checkExposure({ admin, grpc, http, insecure, vhosts }: Config): void {
  if (insecure || requiresKeys(vhosts)) return;
  for (const [name, address] of Object.entries({ http, grpc, "admin.listen": admin.listen })) {
    if (address === undefined || isLoopback(address.host)) continue;
    throw new CarillonError(
      "invalid_argument",
      `${name}: ${formatAddress(address)} is reachable from other machines, but no keys are configured. ` +
        `Set vhosts./.keys (carillon key create prints one) or vhosts./.certificates, listen on 127.0.0.1, ` +
        `or set insecure: true (--insecure) to let anyone publish and listen`,
    );
  }
}

/** Whether backends must authenticate. A key in any vhost is enough; vhosts without keys then refuse all backends. */
export function requiresKeys(vhosts: Config["vhosts"]): boolean {
  return Object.values(vhosts).some(({ certificates, keys }) => keys.length > 0 || certificates.length > 0);
}

/** Merges objects recursively. Other values of `over`, such as lists, replace those of `base`. */
function merge(base: object, over: object): Fields {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const known = result[key];
    if (value !== undefined) result[key] = isObject(known) && isObject(value) ? merge(known, value) : value;
  }
  return result;
}

function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) freeze(inner);
    Object.freeze(value);
  }
  return value;
}
