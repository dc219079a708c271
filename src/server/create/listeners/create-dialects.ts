import { readSettings } from "../../../config/dialect-settings.js";
import type { Config } from "../../../config/schema.js";
import type { DialectContext, DialectModule, DialectParts } from "../../../dialects/module.js";
import { CarillonError } from "../../../errors.js";

/** Returns the dialects that a node serves: the client dialects named in the configuration, and all backend dialects. */
function served(config: Config, dialects: readonly DialectModule[]): readonly DialectModule[] {
  return dialects.filter(({ name, serves }) => serves === "backends" || config.dialects.includes(name));
}

/** @throws CarillonError invalid_argument, failed_precondition: settings that cannot be used */
export function createDialects(dialects: readonly DialectModule[], context: DialectContext): readonly DialectParts[] {
  const { config } = context;
  checkDialects(config, dialects);
  return served(config, dialects).map((dialect) => dialect.create(readSettings(config, dialect.name), context));
}

/**
 * Checks the settings of the dialects that a node serves.
 * @throws CarillonError invalid_argument that names every problem, one per line
 */
export function checkDialects(config: Config, dialects: readonly DialectModule[]): void {
  const problems: CarillonError[] = [];
  for (const dialect of served(config, dialects)) {
    try {
      dialect.check?.(readSettings(config, dialect.name), config);
    } catch (error) {
      problems.push(CarillonError.from(error));
    }
  }
  const [first] = problems;
  if (first === undefined) return;
  throw new CarillonError(first.code, problems.map(({ message }) => message).join("\n"), { cause: first });
}
