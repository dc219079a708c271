import type { Config } from "../config/schema.js";
import { isObject } from "../util/json.js";

/** Settings whose keys users choose. They are replaced as a whole. */
const MAPS: ReadonlySet<string> = new Set(["brokers", "vhosts"]);

/**
 * Copies a configuration for a node, whose parts read the live settings whenever they need them. {@link changeConfig} changes
 * the copy in place.
 */
export function copyConfig(config: Config): Config {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [key, isGroup(key, value) ? Object.assign({}, value) : value]),
  ) as Config;
}

/** Changes a copy, and the groups of settings within it, in place. */
export function changeConfig(copy: Config, next: Config): void {
  for (const [key, value] of Object.entries(next)) {
    const known = (copy as Record<string, unknown>)[key];
    if (isGroup(key, value) && isObject(known)) Object.assign(known, value);
    else Object.assign(copy, { [key]: value });
  }
}

function isGroup(key: string, value: unknown): value is object {
  return isObject(value) && !MAPS.has(key);
}
