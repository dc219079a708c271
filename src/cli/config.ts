import { createLog } from "../observe/log.js";
import { checkConfig } from "../server/check-config.js";
import { configReader } from "../server/config.js";
import { EXIT, fail } from "./exit-code.js";

export interface ConfigFlags {
  readonly printDefaults?: true;
  readonly check?: string;
}

/**
 * Prints every setting with its default, or checks whether a node could start with a file and the files that it names.
 */
export async function configCommand({ check, printDefaults }: ConfigFlags, help: () => void): Promise<void> {
  if (printDefaults === true) {
    process.stdout.write(configReader.writeDefaults());
  } else if (check === undefined) {
    help();
    process.exitCode = EXIT.usage;
  } else {
    try {
      await checkConfig(configReader.load({ file: check }), createLog({ level: "silent", format: "json" }));
      process.stdout.write(`${check}: valid\n`);
    } catch (error) {
      fail(error, EXIT.usage);
    }
  }
}
