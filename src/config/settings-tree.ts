import { expandShortForm, LIVE, SHORT_FORM, type z } from "./schema-builder.js";
import { findChildren, isMap, listAlternatives, type SchemaNode, toSchemaNode } from "./schema-node.js";

/** Keys of a schema, for messages and environment variables. */
export class SettingsTree {
  readonly root: SchemaNode;

  constructor(schema: z.ZodType) {
    this.root = toSchemaNode(schema);
  }

  /** Returns the known keys at a path of the configuration. */
  knownKeys(path: readonly PropertyKey[]): string[] {
    return this.nodesAt(path)
      .flatMap(listAlternatives)
      .flatMap((node) => Object.keys(node.properties ?? {}));
  }

  /** Returns the schemas at a path, several where alternatives have the key, and none for an unknown path. */
  nodesAt(path: readonly PropertyKey[]): readonly SchemaNode[] {
    let nodes: readonly SchemaNode[] = [this.root];
    for (const key of path) nodes = nodes.flatMap((node) => findChildren(node, String(key)));
    return nodes;
  }

  /** Whether a reload changes the setting at a path in a running node. */
  isLive(path: readonly PropertyKey[]): boolean {
    let nodes: readonly SchemaNode[] = [this.root];
    let isLive = false;
    for (const key of path) {
      nodes = nodes.flatMap((node) => findChildren(node, String(key)));
      isLive = nodes.find((node) => node[LIVE] !== undefined)?.[LIVE] ?? isLive;
    }
    return isLive;
  }

  /** Replaces the short forms in a configuration by the objects that they stand for. */
  expandShortForms(input: object): Readonly<Record<string, unknown>> {
    const { properties = {} } = this.root;
    return Object.fromEntries(
      Object.entries(input).map(([name, value]: [string, unknown]) => {
        const key = Object.hasOwn(properties, name) ? properties[name]?.[SHORT_FORM] : undefined;
        return [name, key === undefined ? value : expandShortForm(key, value)];
      }),
    );
  }

  /** Settings that hold a single value or a list. Excludes those within maps, whose keys users choose. */
  get settings(): readonly Setting[] {
    return findSettings(this.root, []);
  }

  /** Settings of the entries of a map, such as `vhosts`, by their paths within an entry. */
  entrySettings(map: string): readonly Setting[] {
    const found = this.nodesAt([map, ""])
      .flatMap(listAlternatives)
      .flatMap((node) => findSettings(node, []));
    return [...new Map(found.map((setting) => [setting.path.join("."), setting])).values()];
  }
}

/** A setting: its path from the top level, and how a text becomes its value. */
export interface Setting {
  readonly path: readonly string[];
  readonly list: boolean;
  /** Whether its values are texts only, so that digits are not a number. */
  readonly text: boolean;
  /** Whether its value is the short form of the object around it. */
  readonly short: boolean;
}

function findSettings(node: SchemaNode, path: readonly string[]): Setting[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const childPath = [...path, key];
    if (child.properties !== undefined) return findSettings(child, childPath);
    if (isMap(child) || child.items?.properties !== undefined) return [];
    const short = node[SHORT_FORM] === key;
    return [{ path: childPath, list: child.type === "array", text: child.type === "string", short }];
  });
}
