import { z } from "zod";
import { parseAddress } from "../util/address.js";
import { isObject } from "../util/json.js";
import { VHOST_PATH } from "../util/names.js";

/** Building blocks for the schemas of settings. */

export { z } from "zod";

/** Metadata key in the JSON Schema: whether a reload changes the setting, and those within it, in a running node. */
export const LIVE = "live";

/** Marks settings that a reload changes in a running node. All other settings need a restart. */
export function live<Schema extends z.ZodType>(schema: Schema): Schema {
  return schema.meta({ [LIVE]: true });
}

/** Excludes a setting from the live ones around it. */
export function fixed<Schema extends z.ZodType>(schema: Schema): Schema {
  return schema.meta({ [LIVE]: false });
}

/** Metadata key in the JSON Schema of settings that hold a secret. */
export const SECRET = "secret";

/** Marks a setting that holds a secret. A setting with the suffix `_file` beside it names a file with the same secret. */
export function secret<Schema extends z.ZodType>(schema: Schema): Schema {
  return schema.meta({ [SECRET]: true });
}

/** Metadata key in the JSON Schema of an object with a short form: the key whose value may stand for the whole object. */
export const SHORT_FORM = "shortForm";

/**
 * Lets the value of one key stand for a whole object: with the key `listen`, `grpc: HOST:PORT` is short for
 * `grpc: { listen: HOST:PORT }`.
 */
export function withShortForm<Shape extends z.ZodRawShape, Key extends string & keyof Shape>(
  key: Key,
  object: z.ZodObject<Shape>,
) {
  return z
    .preprocess((value: z.input<typeof object> | z.input<Shape[Key]>) => expandShortForm(key, value), object)
    .meta({ [SHORT_FORM]: key });
}

/** Returns the object that a value stands for. Objects and undefined are returned unchanged. */
export function expandShortForm(key: string, value: unknown): unknown {
  return value === undefined || isObject(value) ? value : { [key]: value };
}

/** Address to listen on, HOST:PORT. */
export const address = z
  .string()
  .transform((text, context) => {
    const parsed = parseAddress(text);
    if (parsed === undefined) {
      context.addIssue({ code: "custom", message: "expected HOST:PORT, such as 127.0.0.1:8080" });
      return z.NEVER;
    }
    return parsed;
  })
  .meta({ pattern: ":\\d{1,5}$" });

export const vhostPath = z.string().max(255).regex(VHOST_PATH, "expected / or a path such as /shop or /shop/eu");

/** Creates the schema of a dialect's path prefix. @param usual - default */
export function pathPrefix(usual: string) {
  return z
    .string()
    .regex(/^(?:\/[\w.-]+)+$/, `expected a path such as ${usual}, without a slash at its end`)
    .default(usual);
}

/** Creates the schema of an integer from `least` to `most`. */
export function count(least: number, most: number): z.ZodNumber {
  return z.number().int().min(least).max(most);
}

/** Creates a refinement of an object: at most one of the keys is set. */
export function atMostOne(...keys: readonly string[]) {
  return {
    check: (value: object) => keys.filter((key) => (value as Record<string, unknown>)[key] !== undefined).length <= 1,
    message: `at most one of ${keys.join(", ")} is allowed`,
  };
}
