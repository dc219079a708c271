import { DEFAULTS_YAML } from "../config/defaults.js";
import { loadConfig } from "../config/load.js";
import { EXIT, fail } from "./exit-code.js";

export interface ConfigFlags {
  readonly printDefaults?: true;
  readonly check?: string;
}

/** Shows every setting with its default, or says whether a file is good. */
export function config({ check, printDefaults }: ConfigFlags, help: () => void): void {
  if (printDefaults === true) {
    process.stdout.write(DEFAULTS_YAML);
  } else if (check === undefined) {
    help();
    process.exitCode = EXIT.usage;
  } else {
    try {
      loadConfig({ file: check });
      process.stdout.write(`${check}: good\n`);
    } catch (error) {
      fail(error, EXIT.usage);
    }
  }
}
