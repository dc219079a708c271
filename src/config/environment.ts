import { findNearest } from "../util/find-nearest.js";
import type { Setting } from "./settings-tree.js";

const PREFIX = "CARILLON_";

/** Variables that other code reads: the file's path, the short form of `brokers`, and options of the command line. */
const SHORT_FORMS = ["CARILLON_CONFIG", "CARILLON_BROKER", "CARILLON_SERVER", "CARILLON_KEY", "CARILLON_TOKEN"];

/** Variables that Kubernetes sets in containers for a service named carillon. */
const SERVICE_LINK = /^CARILLON_(?:\w+_)?(?:SERVICE_(?:HOST|PORT)(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)$/;

/** Known variables. */
export interface KnownVariables {
  readonly settings: readonly Setting[];
  /** Top-level keys that variables cannot hold, such as maps. */
  readonly filesOnly: readonly string[];
  /** Variables read by the dialects' commands. */
  readonly elsewhere: readonly string[];
}

export interface FromEnvironment {
  /** Settings in the form of a configuration file. */
  readonly input: Readonly<Record<string, unknown>>;
  /** One line for each unknown variable. */
  readonly faults: readonly string[];
}

/** Reads settings from variables: `limits.outbox` is CARILLON_LIMITS_OUTBOX. Lists are separated by commas. */
export function readEnvironment(environment: NodeJS.ProcessEnv, known: KnownVariables): FromEnvironment {
  const readElsewhere = [...SHORT_FORMS, ...known.elsewhere];
  const variables = new Map(
    known.settings
      .filter(({ path: [first = ""] }) => !known.filesOnly.includes(first))
      .map((setting) => [PREFIX + setting.path.join("_").toUpperCase(), setting]),
  );
  const input: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || text === undefined || readElsewhere.includes(name)) continue;
    const setting = variables.get(name);
    if (setting !== undefined) {
      put(input, setting.path, setting.list ? text.split(",").map((entry) => entry.trim()) : scalar(text));
    } else if (!SERVICE_LINK.test(name)) {
      const guess = findNearest(name, [...variables.keys(), ...readElsewhere]);
      faults.push(`${name}: unknown variable${guess === undefined ? "" : `; did you mean ${guess}?`}`);
    }
  }
  return { input, faults };
}

function scalar(text: string): unknown {
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
