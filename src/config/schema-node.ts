import type { LIVE, SECRET, SHORT_FORM } from "./schema-builder.js";
import { z } from "./schema-builder.js";
import type { QUANTITY } from "./units.js";

/** Part of the configuration's JSON Schema, with the metadata of its settings. */
export interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly description?: string | undefined;
  readonly default?: string | number | boolean | readonly string[] | Readonly<Record<string, unknown>>;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly [QUANTITY]?: { readonly kind: string; readonly least: string; readonly most: string };
  readonly [LIVE]?: boolean;
  readonly [SECRET]?: boolean;
  readonly [SHORT_FORM]?: string;
}

/** Converts a schema to JSON Schema, in the form of a file. */
export function toSchemaNode(schema: z.ZodType): SchemaNode {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as SchemaNode;
}

/** Lists the alternatives of a union; of any other schema, itself. */
export function listAlternatives(node: SchemaNode): readonly SchemaNode[] {
  const inner = node.anyOf ?? node.oneOf;
  return inner === undefined ? [node] : inner.flatMap(listAlternatives);
}

/** Finds the schemas of a key in an object, or of an entry in a map or list. Alternatives may have different ones. */
export function findChildren(node: SchemaNode, key: string): readonly SchemaNode[] {
  return listAlternatives(node).flatMap((alternative) => {
    const { properties = {} } = alternative;
    const child = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (child !== undefined) return [child];
    const entry = findEntry(alternative);
    return entry === undefined ? [] : [entry];
  });
}

/** Returns the schema of the entries of a map or list; undefined for anything else. */
export function findEntry({ additionalProperties, items }: SchemaNode): SchemaNode | undefined {
  if (items !== undefined) return items;
  return typeof additionalProperties === "object" ? additionalProperties : undefined;
}

/** Whether users choose the keys of an object. */
export function isMap({ additionalProperties }: SchemaNode): boolean {
  return typeof additionalProperties === "object";
}
