import type { Json } from "../../access/decide/principal.js";
import { invalidArgument } from "../../errors.js";
import { findNearest } from "../../util/find-nearest.js";
import { isObject } from "../../util/json.js";
import type { MergedInput } from "../config-reader.js";
import { listVariables, toVariable } from "../environment.js";
import { redactSetting } from "../redact.js";
import { SECRET } from "../schema-builder.js";
import { findChildren, isMap, listAlternatives, type SchemaNode } from "../schema-node.js";
import type { SettingsTree } from "../settings-tree.js";
import { describeDefault, describeType } from "./reference.js";

export interface ExplainContext {
  readonly tree: SettingsTree;
  readonly sources: MergedInput;
  /** Path of the configuration file, as the user has written it. */
  readonly file: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
  /** Top-level keys that environment variables cannot hold. */
  readonly filesOnly: readonly string[];
}

/**
 * Explains a setting: its meaning, values, default and environment variable, whether it is live, its current value, and where
 * that comes from. Secrets are not shown.
 * @param key - path of the setting, such as `limits.outbox`, `vhosts./shop.access` or `vhosts./.topics[0].match`
 * @throws CarillonError invalid_argument: unknown key
 */
export function explainSetting(key: string, context: ExplainContext): string {
  const { tree } = context;
  const { nodes, path, required } = resolve(key, context);
  const node = nodes.find(({ description }) => description !== undefined) ?? nodes[0] ?? {};
  const rows: [label: string, text: string][] = [];
  const inner = listAlternatives(node).flatMap((alternative) => Object.keys(alternative.properties ?? {}));
  if (inner.length > 0) {
    rows.push(["keys", [...new Set(inner)].join(", ")]);
  } else {
    rows.push(["type", [...new Set(nodes.map(describeType))].join(" or ")]);
    rows.push(["default", describeDefault(node, required)]);
    const variables = findVariables(path, context);
    if (variables.length > 0) rows.push(["variable", variables.join(" or ")]);
  }
  rows.push(["live", tree.isLive(path) ? "yes: `carillon reload` changes it" : "no: a change needs a restart"]);
  const isSecret = nodes.some((alternative) => alternative[SECRET] === true);
  const value = inner.length > 0 ? undefined : showValue(path, isSecret, context);
  if (value !== undefined) rows.push(["value", value]);
  rows.push(["from", findSource(path, context)]);
  const width = Math.max(...rows.map(([label]) => label.length));
  const lines = rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text.replaceAll("`", "")}`);
  const meaning = node.description === undefined ? [] : [`  ${node.description.replaceAll("`", "")}`];
  return `${[path.join("."), ...meaning, ...lines].join("\n")}\n`;
}

interface Resolved {
  readonly path: readonly string[];
  readonly nodes: readonly SchemaNode[];
  readonly required: boolean;
}

/** Finds a setting. Keys that users choose may contain dots, so known ones are tried first. */
function resolve(key: string, { sources, tree }: ExplainContext): Resolved {
  let rest = key.replaceAll(/\[(\d*)\]/g, (_match, index: string) => `.${index === "" ? "0" : index}`);
  let nodes: readonly SchemaNode[] = [tree.root];
  let value: unknown = sources.input;
  const path: string[] = [];
  let required = false;
  while (rest !== "") {
    const alternatives = nodes.flatMap(listAlternatives);
    const chosen = alternatives.some(isMap) && isObject(value) ? Object.keys(value) : [];
    const known = chosen.find((name) => rest === name || rest.startsWith(`${name}.`));
    const segment = known ?? rest.split(".", 1)[0] ?? "";
    const found = nodes.flatMap((node) => findChildren(node, segment));
    if (found.length === 0) throw unknownKey([...path, segment], alternatives);
    required = alternatives.some((node) => node.required?.includes(segment) === true);
    nodes = found;
    value = readMember(value, segment);
    path.push(segment);
    rest = rest.slice(segment.length + 1);
  }
  if (path.length === 0) throw invalidArgument("expected a key, such as limits.outbox");
  return { path, nodes, required };
}

function unknownKey(path: readonly string[], around: readonly SchemaNode[]) {
  const known = around.flatMap((node) => Object.keys(node.properties ?? {}));
  const guess = findNearest(path.at(-1) ?? "", known);
  const hint = known.length === 0 ? "it has no keys" : `known: ${known.join(", ")}`;
  const before = path.slice(0, -1);
  const advice = guess === undefined ? hint : `did you mean ${[...before, guess].join(".")}?`;
  return invalidArgument(`${path.join(".")}: unknown key; ${advice}`);
}

/** Lists the names of a setting's variables; none if variables cannot hold it. */
function findVariables(path: readonly string[], { filesOnly, tree }: ExplainContext): readonly string[] {
  const [first = "", , ...within] = path;
  if (filesOnly.includes(first)) return [];
  const isEntry = first === "brokers" || first === "vhosts";
  const settings = isEntry ? tree.entrySettings(first) : tree.settings;
  const wanted = (isEntry ? within : path).join(".");
  const setting = settings.find((known) => known.path.join(".") === wanted);
  return setting === undefined ? [] : listVariables({ path, short: setting.short });
}

/** Describes where the current value of a setting comes from. */
function findSource(path: readonly string[], context: ExplainContext): string {
  const { environment, file, sources } = context;
  if (readPath(sources.input, path) === undefined) return "default";
  if (readPath(sources.environment, path) !== undefined) {
    return findVariables(path, context).find((name) => environment[name] !== undefined) ?? toVariable(path);
  }
  if (environment["CARILLON_BROKER"] !== undefined && path[0] === "brokers") return "CARILLON_BROKER";
  // The file may have a short form, which is the value of the object around the setting.
  const line = sources.file?.lineOf(path) ?? sources.file?.lineOf(path.slice(0, -1));
  return line === undefined ? `${file}` : `${file}, line ${line}`;
}

/** Returns the current value as JSON; undefined if the default applies. */
function showValue(path: readonly string[], isSecret: boolean, { sources }: ExplainContext): string | undefined {
  const value = readPath(redactSetting("", sources.input as Json), path);
  if (value === undefined) return undefined;
  return isSecret ? "(not shown)" : JSON.stringify(value);
}

function readPath(value: unknown, path: readonly string[]): unknown {
  return path.reduce(readMember, value);
}

function readMember(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return (value as readonly unknown[])[Number(key)];
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}
