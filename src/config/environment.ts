import { findNearest } from "../util/find-nearest.js";
import type { Setting } from "./settings-tree.js";

const PREFIX = "CARILLON_";

/** Variables that other code reads: the file's path, the short form of `brokers`, and options of the command line. */
const SHORT_FORMS = [
  "CARILLON_CONFIG",
  "CARILLON_BROKER",
  "CARILLON_SERVER",
  "CARILLON_KEY",
  "CARILLON_KEY_FILE",
  "CARILLON_TOKEN",
  "CARILLON_TOKEN_FILE",
];

/** Variables that Kubernetes sets in containers for a service named carillon. */
const SERVICE_LINK = /^CARILLON_(?:\w+_)?(?:SERVICE_(?:HOST|PORT)(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)$/;

/** Known variables. */
export interface KnownVariables {
  readonly settings: readonly Setting[];
  /** Top-level keys that variables cannot hold, such as variants. */
  readonly filesOnly: readonly string[];
  /** Variables read by the dialects' commands. */
  readonly elsewhere: readonly string[];
}

export interface EnvironmentSettings {
  /** Settings in the form of a configuration file. */
  readonly input: Readonly<Record<string, unknown>>;
  /** One line for each unknown or ambiguous variable. */
  readonly problems: readonly string[];
}

/**
 * Returns the name of a setting's variable: `limits.outbox` is CARILLON_LIMITS_OUTBOX. Keys that users choose count without
 * their other characters: `tokens.secret` of the vhost /shop is CARILLON_VHOSTS_SHOP_TOKENS_SECRET, and of the vhost /
 * CARILLON_VHOSTS_TOKENS_SECRET.
 */
export function toVariable(path: readonly string[]): string {
  const parts = path.map((key) => key.replaceAll(/[^A-Za-z0-9]+/g, "_").replaceAll(/^_+|_+$/g, ""));
  return (
    PREFIX +
    parts
      .filter((part) => part !== "")
      .join("_")
      .toUpperCase()
  );
}

/** Lists the names of a setting's variables. A short form has two: CARILLON_GRPC is CARILLON_GRPC_LISTEN. */
export function listVariables({ path, short }: Pick<Setting, "path" | "short">): readonly string[] {
  return short ? [toVariable(path), toVariable(path.slice(0, -1))] : [toVariable(path)];
}

/** Reads settings from variables. Lists are separated by commas. */
export function readEnvironment(environment: NodeJS.ProcessEnv, known: KnownVariables): EnvironmentSettings {
  const readElsewhere = [...SHORT_FORMS, ...known.elsewhere];
  const variables = new Map<string, Setting[]>();
  for (const setting of known.settings) {
    const [first = ""] = setting.path;
    if (known.filesOnly.includes(first)) continue;
    for (const name of listVariables(setting)) variables.set(name, [...(variables.get(name) ?? []), setting]);
  }
  const input: Record<string, unknown> = {};
  const problems: string[] = [];
  const used = new Map<Setting, string>();
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || text === undefined || readElsewhere.includes(name)) continue;
    const [setting, ...others] = variables.get(name) ?? [];
    if (setting === undefined) {
      if (SERVICE_LINK.test(name)) continue;
      const guess = findNearest(name, [...variables.keys(), ...readElsewhere]);
      problems.push(`${name}: unknown variable${guess === undefined ? "" : `; did you mean ${guess}?`}`);
    } else if (others.length > 0) {
      const meanings = [setting, ...others].map(({ path }) => path.join("."));
      problems.push(`${name}: ambiguous, it means ${meanings.join(" or ")}; use the file`);
    } else if (used.has(setting)) {
      problems.push(`${name}: ${used.get(setting)} is set, too, and means the same; set one of them`);
    } else {
      used.set(setting, name);
      put(input, setting.path, toValue(text, setting));
    }
  }
  return { input, problems };
}

function toValue(text: string, { list, text: isText }: Setting): unknown {
  if (list) return text.split(",").map((entry) => entry.trim());
  if (isText) return text;
  if (text === "true" || text === "false") return text === "true";
  return /^\d+$/.test(text) ? Number(text) : text;
}

function put(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [first, ...rest] = path;
  if (first === undefined) return;
  if (rest.length === 0) {
    target[first] = value;
    return;
  }
  const inner = (target[first] ?? {}) as Record<string, unknown>;
  target[first] = inner;
  put(inner, rest, value);
}
