import type { z } from "zod";

/** Schemas of a dialect's settings; undefined: it has none there. */
export interface SettingsSchemas<Node, Vhost> {
  /** Settings of the node, under the dialect's name. Every key needs a default. */
  readonly node: Node;
  /** Settings of each vhost, under the dialect's name. Every key needs a default. */
  readonly vhost: Vhost;
  /** The same as YAML with comments, for the file that shows all defaults. Starts at the first column. */
  readonly defaults: { readonly node?: string; readonly vhost?: string };
}

/** What is wrong with a setting. */
export interface SettingsFault {
  /** Place of the setting, below the dialect's key where a dialect reports it. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

type Schema = z.ZodType | undefined;

/** What the configuration needs to know of a dialect. */
export interface DialectSettings<
  Name extends string = string,
  Node extends Schema = Schema,
  Vhost extends Schema = Schema,
> {
  /** Key of its settings; the name in `dialects`, in logs and in metrics. */
  readonly name: Name;
  /** `clients`: served where `dialects` names it. `backends`: served where its settings say so. */
  readonly serves: "clients" | "backends";
  readonly settings: SettingsSchemas<Node, Vhost>;
  /** Environment variables that its commands read. */
  readonly variables?: readonly string[];
  /** Whether no environment variable can hold the node's settings, such as a list of objects. */
  readonly filesOnly?: boolean;
  /** Yields what is wrong with valid settings on a node. */
  faults?(settings: SettingsOutput<Node>, node: { readonly insecure: boolean }): Iterable<SettingsFault>;
}

/** Settings as a file holds them. */
export type SettingsInput<S> = S extends z.ZodType ? z.input<S> : undefined;

/** Complete settings. */
export type SettingsOutput<S> = S extends z.ZodType ? z.output<S> : undefined;

type NodeSchema<Dialect> = Dialect extends DialectSettings<string, infer Node> ? Node : never;
type VhostSchema<Dialect> = Dialect extends DialectSettings<string, Schema, infer Vhost> ? Vhost : never;

/** Input of the node's settings of some dialects, by name. */
export type NodeSettingsInput<Dialect extends DialectSettings> = {
  readonly [D in Dialect as NodeSchema<D> extends z.ZodType ? D["name"] : never]?:
    | SettingsInput<NodeSchema<D>>
    | undefined;
};

/** Input of a vhost's settings of some dialects, by name. */
export type VhostSettingsInput<Dialect extends DialectSettings> = {
  readonly [D in Dialect as VhostSchema<D> extends z.ZodType ? D["name"] : never]?:
    | SettingsInput<VhostSchema<D>>
    | undefined;
};

/** The dialects' schemas by name, for the settings of the node or of a vhost. The type says nothing of them. */
export function collectSchemas(dialects: readonly DialectSettings[], where: "node" | "vhost"): object {
  return Object.fromEntries(
    dialects.flatMap(({ name, settings }) => {
      const { [where]: schema } = settings;
      return schema === undefined ? [] : [[name, schema]];
    }),
  );
}

/** A dialect's settings within those of a node or a vhost: the output of its schema; undefined where it has none. */
export function readSettings(settings: object, dialect: string): unknown {
  return (settings as Readonly<Record<string, unknown>>)[dialect];
}
