import type { z } from "zod";

/** Schemas of a dialect's settings; undefined for none. */
export interface SettingsSchemas<Node, Vhost> {
  /** Settings of the node, under the dialect's name. Every key needs a default. */
  readonly node: Node;
  /** Settings of each vhost, under the dialect's name. Every key needs a default. */
  readonly vhost: Vhost;
  /** Defaults as YAML with comments, for the file that shows all defaults. Starts at the first column. */
  readonly defaults: { readonly node?: string; readonly vhost?: string };
}

/** A fault in a setting. */
export interface SettingsFault {
  /** Path of the setting, below the dialect's key where a dialect reports it. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

type Schema = z.ZodType | undefined;

/** A dialect's part of the configuration. */
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
  /** Whether the node's settings cannot be set by environment variables, such as a list of objects. */
  readonly filesOnly?: boolean;
  /** Yields conflicts between otherwise valid settings of a node. */
  faults?(settings: SettingsOutput<Node>, node: { readonly insecure: boolean }): Iterable<SettingsFault>;
}

/** Input settings, as in a file. */
export type SettingsInput<S> = S extends z.ZodType ? z.input<S> : undefined;

/** Complete settings. */
export type SettingsOutput<S> = S extends z.ZodType ? z.output<S> : undefined;

type NodeSchema<Dialect> = Dialect extends DialectSettings<string, infer Node> ? Node : never;
type VhostSchema<Dialect> = Dialect extends DialectSettings<string, Schema, infer Vhost> ? Vhost : never;

/** Input of the dialects' settings of a node, by name. */
export type NodeSettingsInput<Dialect extends DialectSettings> = {
  readonly [D in Dialect as NodeSchema<D> extends z.ZodType ? D["name"] : never]?:
    | SettingsInput<NodeSchema<D>>
    | undefined;
};

/** Input of the dialects' settings of a vhost, by name. */
export type VhostSettingsInput<Dialect extends DialectSettings> = {
  readonly [D in Dialect as VhostSchema<D> extends z.ZodType ? D["name"] : never]?:
    | SettingsInput<VhostSchema<D>>
    | undefined;
};

/** The dialects' schemas by name, for the settings of a node or of a vhost. Untyped. */
export function collectSchemas(dialects: readonly DialectSettings[], where: "node" | "vhost"): object {
  return Object.fromEntries(
    dialects.flatMap(({ name, settings }) => {
      const { [where]: schema } = settings;
      return schema === undefined ? [] : [[name, schema]];
    }),
  );
}

/** Finds a dialect's settings in those of a node or vhost: the output of its schema; undefined for none. */
export function readSettings(settings: object, dialect: string): unknown {
  return (settings as Readonly<Record<string, unknown>>)[dialect];
}
