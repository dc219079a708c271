import { z } from "./schema-builder.js";

/** Part of a JSON schema. */
interface Node {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  /** Schema of a list's items. */
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
}

/** Keys of a schema, for messages and environment variables. */
export class SettingsTree {
  readonly #root: Node;

  constructor(schema: z.ZodType) {
    this.#root = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Node;
  }

  /** Returns the known keys at a path of the configuration. */
  knownKeys(path: readonly PropertyKey[]): string[] {
    let nodes: readonly Node[] = [this.#root];
    for (const key of path) nodes = nodes.flatMap((node) => children(node, String(key)));
    return nodes.flatMap(alternatives).flatMap((node) => Object.keys(node.properties ?? {}));
  }

  /** Settings that hold a single value or a list. Excludes those within maps, whose keys users choose. */
  get settings(): readonly Setting[] {
    return findSettings(this.#root, []);
  }
}

/** A setting: its path from the top level, and whether it is a list. */
export interface Setting {
  readonly path: readonly string[];
  readonly list: boolean;
}

function findSettings(node: Node, path: readonly string[]): Setting[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const childPath = [...path, key];
    if (child.properties !== undefined) return findSettings(child, childPath);
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
