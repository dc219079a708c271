import { createLog } from "../observe/log.js";
import { checkConfig } from "../server/check-config.js";
import { configReader } from "../server/config.js";
import { EXIT, fail } from "./exit-code.js";

export interface ConfigFlags {
  readonly printDefaults?: true;
  readonly check?: string;
}

/**
 * Prints every setting with its default, or checks whether a node could start with a file and the files that it names, and
 * whether the NATS servers can keep its history.
 */
export async function configCommand({ check, printDefaults }: ConfigFlags, help: () => void): Promise<void> {
  if (printDefaults === true) {
    process.stdout.write(configReader.writeDefaults());
  } else if (check === undefined) {
    help();
    process.exitCode = EXIT.usage;
  } else {
    try {
      const config = configReader.load({ file: check });
      const notes = await checkConfig(config, createLog({ level: "silent", format: "json" }));
      for (const note of notes) process.stdout.write(`note: ${note}\n`);
      process.stdout.write(`${check}: valid\n`);
    } catch (error) {
      fail(error, EXIT.usage);
    }
  }
}
