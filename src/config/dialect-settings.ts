import type { z } from "zod";

/** Schemas of a dialect's settings. A schema is undefined if the dialect has no such settings. */
export interface SettingsSchemas<Node, Vhost> {
  /** Settings of the node, under the dialect's name. Every key needs a default. */
  readonly node: Node;
  /** Settings of each vhost, under the dialect's name. Every key needs a default. */
  readonly vhost: Vhost;
  /** Defaults as YAML with comments, for the file that shows all defaults. Starts at the first column. */
  readonly defaults: { readonly node?: string; readonly vhost?: string };
}

/** A problem in a setting. */
export interface SettingsProblem {
  /** Path of the setting; relative to the dialect's key where a dialect reports the problem. */
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
  /** `clients`: served if `dialects` lists it. `backends`: served if its own settings enable it. */
  readonly serves: "clients" | "backends";
  readonly settings: SettingsSchemas<Node, Vhost>;
  /** Environment variables that the dialect's CLI commands read. */
  readonly variables?: readonly string[];
  /** Whether environment variables cannot hold its settings of the node, for example because they contain lists of objects. */
  readonly filesOnly?: boolean;
  /** Yields conflicts between otherwise valid settings of a node. */
  problems?(settings: SettingsOutput<Node>, node: { readonly insecure: boolean }): Iterable<SettingsProblem>;
}

/** Settings as in a file, before defaults are added. */
export type SettingsInput<S> = S extends z.ZodType ? z.input<S> : undefined;

/** Settings with defaults, converted to milliseconds and bytes. */
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

/** Collects the dialects' schemas of a node's or a vhost's settings, by dialect. The result is untyped. */
export function collectSchemas(dialects: readonly DialectSettings[], where: "node" | "vhost"): object {
  return Object.fromEntries(
    dialects.flatMap(({ name, settings }) => {
      const { [where]: schema } = settings;
      return schema === undefined ? [] : [[name, schema]];
    }),
  );
}

/** Returns a dialect's part of a node's or vhost's settings, which is the output of its schema; undefined for none. */
export function readSettings(settings: object, dialect: string): unknown {
  return (settings as Readonly<Record<string, unknown>>)[dialect];
}
