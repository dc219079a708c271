import { LIVE, SECRET, SHORT_FORM } from "../schema-builder.js";
import type { SchemaNode } from "../schema-node.js";
import { QUANTITY } from "../units.js";

/** Writes the JSON Schema of configuration files, with which editors check and complete them. */

const TITLE = "Configuration of a Carillon node";

/** Forms of quantities. Their ranges are in the descriptions, because JSON Schema cannot compare units. */
const QUANTITIES: Readonly<Record<string, readonly object[]>> = {
  duration: [{ type: "string", pattern: "^(\\d+(\\.\\d+)?\\s*(ms|s|m|h)|0)$" }, { const: 0 }],
  size: [
    { type: "string", pattern: "^\\d+(\\.\\d+)?\\s*(B|KiB|MiB|GiB)?$" },
    { type: "number", minimum: 0 },
  ],
};

/** Writes the schema as JSON with a final newline. */
export function writeJsonSchema(root: SchemaNode): string {
  const { $schema, ...rest } = convert(root, false) as { readonly $schema?: string };
  return `${JSON.stringify({ $schema, title: TITLE, ...rest }, undefined, 2)}\n`;
}

function convert({ [SHORT_FORM]: short, ...node }: SchemaNode, isLive: boolean): object {
  const { [short ?? ""]: shortNode } = node.properties ?? {};
  if (shortNode !== undefined) {
    const { description: meaning, ...object } = node;
    return { description: meaning, anyOf: [convert(shortNode, isLive), convert(object, isLive)] };
  }
  const { additionalProperties, anyOf, description, items, oneOf, properties, ...rest } = node;
  const { [QUANTITY]: quantity, [LIVE]: live = isLive, [SECRET]: _secret, ...plain } = rest;
  const range = quantity === undefined ? undefined : `From ${quantity.least} to ${quantity.most}.`;
  const reload = live ? undefined : "A change needs a restart.";
  const isLeaf = properties === undefined && typeof additionalProperties !== "object";
  const text = [description, range, isLeaf && description !== undefined ? reload : undefined].filter(isText).join(" ");
  const convertAll = (nodes: readonly SchemaNode[]): object[] => nodes.map((inner) => convert(inner, live));
  return {
    ...(text === "" ? {} : { description: text }),
    ...(quantity === undefined ? plain : { default: plain.default }),
    ...(quantity === undefined && anyOf !== undefined ? { anyOf: convertAll(anyOf) } : {}),
    ...(quantity === undefined ? {} : { anyOf: QUANTITIES[quantity.kind] }),
    ...(oneOf === undefined ? {} : { oneOf: convertAll(oneOf) }),
    ...(items === undefined ? {} : { items: convert(items, live) }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(Object.entries(properties).map(([key, inner]) => [key, convert(inner, live)])),
        }),
    ...(additionalProperties === undefined
      ? {}
      : {
          additionalProperties:
            typeof additionalProperties === "object" ? convert(additionalProperties, live) : additionalProperties,
        }),
  };
}

function isText(text: string | undefined): text is string {
  return text !== undefined;
}
