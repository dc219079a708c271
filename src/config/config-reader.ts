import { findExpressionExcess } from "../access/patterns/expression-budget.js";
import { CarillonError } from "../errors.js";
import { formatAddress, isLoopback } from "../util/address.js";
import { isObject } from "../util/json.js";
import { DEFAULT_VHOST } from "../util/names.js";
import { findChanges, pickLive } from "./changes.js";
import { writeDefaults } from "./describe/defaults.js";
import { explainSetting } from "./describe/explain.js";
import { writeJsonSchema } from "./describe/json-schema.js";
import { writeConfigurationPage } from "./describe/reference.js";
import type { DialectSettings } from "./dialect-settings.js";
import { readEnvironment } from "./environment.js";
import { describeIssues } from "./issues.js";
import { type Config, createSchema, type NodeInput, type VhostSettings } from "./schema.js";
import { type Setting, SettingsTree } from "./settings-tree.js";
import { createVhostSchema } from "./vhost.js";
import { readYamlFile, type YamlFile } from "./yaml-file.js";

type Fields = Readonly<Record<string, unknown>>;

export interface ConfigSources<Input extends object = object> {
  /** Path of a YAML file. */
  readonly file?: string | undefined;
  /** Refuses a file without settings: a reload may read it while it is being written. */
  readonly refuseEmpty?: boolean;
  readonly environment?: NodeJS.ProcessEnv;
  /** Settings from flags, in the form of a configuration file. Flags override the environment, which overrides the file. */
  readonly flags?: Input;
  /** Settings that the file, the environment and flags override. */
  readonly defaults?: Input;
  /** `memory` or the URL of a NATS server. Replaces all configured brokers. */
  readonly broker?: string | undefined;
}

/** Top-level keys that environment variables cannot hold, because their values are variants. */
const VARIANTS = ["store"];

/** Maps for whose entries there are environment variables. */
const MAPS = ["brokers", "vhosts"] as const;

/** Settings of configurations in the form of a file, for reloads. */
const INPUTS = new WeakMap<Config, object>();

/** Settings from all sources, in the form of a file. */
export interface MergedInput {
  readonly input: Fields;
  readonly environment: Fields;
  readonly flags: Fields;
  readonly file: YamlFile | undefined;
}

/** A change of a running node's configuration. */
export interface ConfigChange {
  /** The running configuration with the new values of its live settings. */
  readonly config: Config;
  /** Paths of the changed settings. */
  readonly live: readonly string[];
  /** Paths of the settings whose new values need a restart. */
  readonly restart: readonly string[];
}

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
   * @throws CarillonError invalid_argument, with one line for each problem
   */
  load(sources: ConfigSources): Config {
    return this.parse(this.merge(sources).input);
  }

  /** Merges all sources. @throws CarillonError invalid_argument: an invalid file or variable */
  merge({ broker, defaults = {}, environment = {}, file: path, flags = {}, refuseEmpty }: ConfigSources): MergedInput {
    const { tree } = this;
    const file = path === undefined ? undefined : readYamlFile(path);
    if (refuseEmpty === true && file?.isEmpty === true) {
      throw new CarillonError("invalid_argument", `${path}: the file is empty; expected settings, or {} for none`);
    }
    const shortForm = broker ?? environment["CARILLON_BROKER"];
    const brokers = shortForm === undefined ? {} : parseShortForm(shortForm);
    const content = tree.expandShortForms(file?.content ?? {});
    const base: Fields = { ...merge(tree.expandShortForms(defaults), content), ...brokers };
    const { problems, input } = readEnvironment(environment, {
      settings: [...tree.settings, ...MAPS.flatMap((map) => this.#entrySettings(map, base))],
      filesOnly: this.filesOnly,
      elsewhere: this.#dialects.flatMap(({ variables = [] }) => variables),
    });
    if (problems.length > 0) throw new CarillonError("invalid_argument", problems.join("\n"));
    return {
      input: merge(merge(base, input), tree.expandShortForms(flags)),
      environment: input,
      flags: { ...flags },
      file,
    };
  }

  /** Lists the settings of a map's entries, which are those of the file, and the default ones. */
  #entrySettings(map: (typeof MAPS)[number], base: Fields): Setting[] {
    const { [map]: entries } = base;
    const names = new Set([
      ...(map === "vhosts" ? [DEFAULT_VHOST] : []),
      ...Object.keys(isObject(entries) ? entries : {}),
    ]);
    const settings = this.tree.entrySettings(map);
    return [...names].flatMap((name) =>
      settings.map((setting) => ({ ...setting, path: [map, name, ...setting.path] })),
    );
  }

  /** Parses settings in the form of a file. @throws CarillonError invalid_argument, with one line for each problem */
  parse(input: object): Config {
    const result = this.#schema.safeParse(input);
    if (!result.success) {
      throw new CarillonError("invalid_argument", describeIssues(result.error, { knownKeys: this.#knownKeys }));
    }
    checkExposure(result.data);
    const config = freeze(result.data);
    INPUTS.set(config, input);
    return config;
  }

  /**
   * Compares a configuration with that of a running node.
   * @throws CarillonError invalid_argument: live settings of `next` that conflict with other settings of the node
   */
  compare(running: Config, next: Config): ConfigChange {
    const { root } = this.tree;
    const input = pickLive(root, INPUTS.get(next) ?? {}, INPUTS.get(running) ?? {});
    const list = (before: Config, after: Config, isWanted = (_path: readonly string[]): boolean => true): string[] =>
      [...findChanges(root, before, after)].filter(isWanted).map((path) => path.join("."));
    let config: Config;
    try {
      config = this.parse(isObject(input) ? input : {});
    } catch (cause) {
      const restart = list(running, next, (path) => !this.tree.isLive(path));
      const text = `needs a restart, because ${restart.join(", ")} cannot change in a running node: `;
      throw new CarillonError("invalid_argument", text + CarillonError.from(cause).message, { cause });
    }
    return { config, live: list(running, config), restart: list(config, next) };
  }

  /**
   * Reads the settings of a vhost created at run time, whose regular expressions are bounded (rule A15).
   * @throws CarillonError invalid_argument, with one line for each problem
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
    return writeDefaults(this.#dialects, this.filesOnly);
  }

  /** Writes the JSON Schema of configuration files, as JSON with a final newline. */
  writeJsonSchema(): string {
    return writeJsonSchema(this.tree.root);
  }

  /** Explains a setting and its current value. @throws CarillonError invalid_argument: an unknown key, file or variable */
  explain(key: string, sources: ConfigSources): string {
    return explainSetting(key, {
      tree: this.tree,
      sources: this.merge(sources),
      file: sources.file,
      environment: sources.environment ?? {},
      filesOnly: this.filesOnly,
    });
  }

  /** Writes the configuration reference, as Markdown with a final newline. */
  writePage(): string {
    return writeConfigurationPage(this.#schema, this.filesOnly);
  }

  /** Top-level keys that environment variables cannot hold. */
  get filesOnly(): readonly string[] {
    return [...VARIANTS, ...this.#dialects.filter(({ filesOnly }) => filesOnly === true).map(({ name }) => name)];
  }

  readonly #knownKeys = (path: readonly PropertyKey[]): readonly string[] => this.tree.knownKeys(path);
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
  for (const [name, address] of Object.entries({ http, grpc: grpc.listen, "admin.listen": admin.listen })) {
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
