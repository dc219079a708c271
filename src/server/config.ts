import { ConfigReader, type ConfigSources } from "../config/config-reader.js";
import type { DialectSettings, NodeSettingsInput, VhostSettingsInput } from "../config/dialect-settings.js";
import type { Config, NodeInput } from "../config/schema.js";
import { DIALECTS } from "./dialects.js";

type VhostInput = NonNullable<NodeInput["vhosts"]>[string];

/** Configuration of a node with these dialects, as in a configuration file. Every key is optional. */
export type ConfigInput<Dialect extends DialectSettings = (typeof DIALECTS)[number]> = Omit<
  NodeInput,
  "dialects" | "vhosts"
> &
  NodeSettingsInput<Dialect> & {
    readonly dialects?: Dialect["name"][] | undefined;
    readonly vhosts?: Readonly<Record<string, VhostInput & VhostSettingsInput<Dialect>>> | undefined;
  };

/** Reads configurations of nodes with all dialects. */
export const configReader = new ConfigReader(DIALECTS);

/**
 * Reads everything that configures a node into one complete, frozen configuration.
 * @throws CarillonError invalid_argument that names every problem, one per line
 */
export function loadConfig(sources: ConfigSources<ConfigInput>): Config {
  return configReader.load(sources);
}

/** @throws CarillonError invalid_argument that names every problem, one per line */
export function parseConfig(input: ConfigInput): Config {
  return configReader.parse(input);
}
