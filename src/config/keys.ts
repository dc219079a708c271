import { z } from "zod";
import { schema } from "./schema.js";

/** What is needed here of a JSON schema. */
interface Node {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  /** Schema of a list's items. */
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
}

const root = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Node;

/** The keys that may stand at a place in the configuration. */
export function knownKeys(path: readonly PropertyKey[]): string[] {
  let nodes: readonly Node[] = [root];
  for (const key of path) nodes = nodes.flatMap((node) => children(node, String(key)));
  return nodes.flatMap(alternatives).flatMap((node) => Object.keys(node.properties ?? {}));
}

/** The settings that hold one value or a list, as paths from the top; entries of maps that users name are not among them. */
export function settings(
  node: Node = root,
  path: readonly string[] = [],
): { path: readonly string[]; list: boolean }[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const childPath = [...path, key];
    if (child.properties !== undefined) return settings(child, childPath);
    if (child.additionalProperties !== undefined && child.additionalProperties !== false) return [];
    return [{ path: childPath, list: child.type === "array" }];
  });
}

function children(node: Node, key: string): readonly Node[] {
  return alternatives(node).flatMap((alternative) => {
    const child = alternative.properties?.[key];
    if (child !== undefined) return [child];
    const { additionalProperties, items } = alternative;
    if (items !== undefined) return [items];
    return typeof additionalProperties === "object" ? [additionalProperties] : [];
  });
}

function alternatives(node: Node): readonly Node[] {
  const inner = node.anyOf ?? node.oneOf;
  return inner === undefined ? [node] : inner.flatMap(alternatives);
}
