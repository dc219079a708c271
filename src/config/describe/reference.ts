import { LIVE, type z } from "../schema-builder.js";
import { type SchemaNode, toSchemaNode } from "../schema-node.js";
import { QUANTITY } from "../units.js";

/** Writes the configuration reference, docs/configuration.md, from the schema. */

const TABLE_HEAD = ["| setting | type | default | live | meaning |", "|---|---|---|---|---|"];

/** Maximum number of items shown of a default that is a list. Longer lists are truncated. */
const MAX_SHOWN_ITEMS = 5;

/** Placeholders for the entries of a map, by the map's key. */
const ENTRY_NAMES: Readonly<Record<string, string>> = { brokers: "NAME", vhosts: "PATH", history: "CLASS" };

function writeIntroduction(filesOnly: readonly string[]): string {
  return `# Configuration reference

Generated from the schema by \`npm run docs\`; do not edit.

A node runs without any configuration. \`carillon serve\` reads \`carillon.yaml\` from the working directory, or the file that
\`--config\` or \`CARILLON_CONFIG\` names. Start from a file with every default:

\`\`\`sh
node dist/src/bin.js config --print-defaults > carillon.yaml
node dist/src/bin.js config --check carillon.yaml
\`\`\`

\`\`\`text
carillon.yaml: valid
\`\`\`

- **Precedence**: flags override environment variables, which override the file.
- **Environment**: \`limits.outbox\` is \`CARILLON_LIMITS_OUTBOX\`; lists are separated by commas. ${enumerate(filesOnly.map(toCode))}
  can only be set in the file. \`CARILLON_BROKER\` is short for \`--broker\`. The [configuration
  guide](configuration-guide.md) has the variables of \`brokers\` and \`vhosts\`.
- **Live** settings change in a running node by \`carillon reload\` or SIGHUP. All others need a restart.
- **Durations** are written \`500ms\`, \`25s\`, \`2m\` or \`1h\`, **sizes** \`64KiB\`, \`1MiB\` or a number of bytes.
- **Placeholders**: \`NAME\`, \`PATH\` and \`CLASS\` are keys that you choose; \`[]\` marks the entries of a list.

## Node`;
}

/** Joins names as in "a, b and c". */
export function enumerate(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/**
 * Writes the page as Markdown with a final newline.
 * @param filesOnly - top-level keys that environment variables cannot hold
 */
export function writeConfigurationPage(schema: z.ZodType, filesOnly: readonly string[]): string {
  const root = toSchemaNode(schema);
  return `${[writeIntroduction(filesOnly), ...writeObject("", root, false)].join("\n")}\n`;
}

/**
 * Yields the lines of one object's section, then those of the objects within it.
 * @throws Error for a setting without a description
 */
function* writeObject(path: string, node: SchemaNode, isLive: boolean): Generator<string> {
  const properties = Object.entries(node.properties ?? {});
  const rows = properties.flatMap(([key, child]) =>
    writeRow(path, key, child, { required: node.required?.includes(key) === true, isLive }),
  );
  if (rows.length > 0) {
    if (path !== "") yield* ["", `${headingLevel(path)} \`${path}\``];
    if (node.description !== undefined) yield* ["", node.description];
    yield* ["", ...TABLE_HEAD, ...rows];
  }
  for (const [key, child] of properties) {
    const parent = path.replace(/ \(.*\)$/, "");
    for (const [inner, object] of objectsWithin(parent === "" ? key : `${parent}.${key}`, key, child)) {
      yield* writeObject(inner, object, object[LIVE] ?? child[LIVE] ?? isLive);
    }
  }
}

/** Returns the heading level of an object. Nested objects are one level deeper; keys chosen by users do not count as levels. */
function headingLevel(path: string): string {
  const depth = path
    .replace(/ \(.*\)$/, "")
    .split(".")
    .filter((segment) => !Object.values(ENTRY_NAMES).includes(segment)).length;
  return depth === 1 ? "##" : "###";
}

interface RowContext {
  readonly required: boolean;
  /** Whether the settings around it are live. */
  readonly isLive: boolean;
}

function writeRow(path: string, key: string, node: SchemaNode, { isLive, required }: RowContext): string[] {
  if (objectsWithin(key, key, node).length > 0) return [];
  const name = path === "" ? key : `${path}.${key}`;
  if (node.description === undefined && node.const === undefined) throw new Error(`${name}: no description`);
  const cells = [
    `\`${key}\``,
    describeType(node),
    describeDefault(node, required),
    (node[LIVE] ?? isLive) ? "yes" : "no",
    node.description ?? "Selects this driver.",
  ];
  return [`| ${cells.join(" | ")} |`];
}

/** Finds the objects that get sections of their own, by path: nested objects, entries of maps and lists, variants. */
function objectsWithin(path: string, key: string, node: SchemaNode): (readonly [path: string, object: SchemaNode])[] {
  const { additionalProperties: entry, description, items, oneOf } = node;
  if (oneOf !== undefined) {
    return oneOf.map((variant) => [`${path} (${readDriver(variant)})`, { description, ...variant }] as const);
  }
  if (items?.properties !== undefined) return [[`${path}[]`, { description, ...items }]];
  // One object, or a list of them.
  const list = node.anyOf?.find(({ items: item }) => item?.properties !== undefined);
  if (list?.items !== undefined) return [[`${path}[]`, { description, ...list.items }]];
  if (node.properties !== undefined) return Object.values(node.properties).some(isDescribed) ? [[path, node]] : [];
  if (typeof entry !== "object" || !(key in ENTRY_NAMES)) return [];
  return objectsWithin(`${path}.${ENTRY_NAMES[key]}`, "", { description, ...entry });
}

function isDescribed(node: SchemaNode): boolean {
  return node.description !== undefined || node.properties !== undefined || node.items?.properties !== undefined;
}

function readDriver(variant: SchemaNode): string {
  return `driver: ${variant.properties?.["driver"]?.const}`;
}

/** Describes the values of a setting, as Markdown. */
export function describeType(node: SchemaNode): string {
  const { items, maximum, minimum, oneOf, properties, anyOf = oneOf } = node;
  const quantity = node[QUANTITY];
  if (quantity !== undefined) return `${quantity.kind}, ${quantity.least} to ${quantity.most}`;
  if (node.const !== undefined) return `\`${node.const}\``;
  if (node.enum !== undefined) return node.enum.map((value) => `\`${value}\``).join(", ");
  if (anyOf !== undefined) return anyOf.map(describeType).join(" or ");
  if (items !== undefined) return `list of ${plural(describeType(items))}`;
  if (properties !== undefined) {
    const hasPatterns = Object.values(properties).every((property) => property.items !== undefined);
    const keys = Object.keys(properties).map(toCode).join(", ");
    return hasPatterns ? `lists of patterns by action: ${keys}` : `objects with ${keys}`;
  }
  if (typeof node.additionalProperties === "object") return `map of ${describeType(node.additionalProperties)}`;
  if (node.type === "integer") return `integer, ${group(minimum)} to ${group(maximum)}`;
  return String(node.type);
}

function plural(type: string): string {
  return type === "string" ? "strings" : type;
}

/** Describes the default of a setting, as Markdown. */
export function describeDefault(node: SchemaNode, required: boolean): string {
  if (node.const !== undefined || required) return "required";
  const { default: value } = node;
  if (value === undefined) return "none";
  if (isList(value) && value.length > MAX_SHOWN_ITEMS) return `\`[${value.slice(0, 2).join(", ")}, …]\``;
  if (isList(value)) return `\`[${value.join(", ")}]\``;
  if (typeof value === "object") return "`{}`";
  return value === "" ? '`""`' : `\`${String(value)}\``;
}

function isList(value: SchemaNode["default"]): value is readonly string[] {
  return Array.isArray(value);
}

function toCode(text: string): string {
  return `\`${text}\``;
}

function group(value: number | undefined): string {
  return (value ?? 0).toLocaleString("en");
}
