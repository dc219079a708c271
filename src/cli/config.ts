import { createLog } from "../observe/log.js";
import { checkConfig } from "../server/check-config.js";
import { configReader } from "../server/config.js";
import { errorText } from "../util/native-error.js";
import { findConfigFile } from "./config-file.js";
import { EXIT, fail } from "./exit-code.js";
import { note } from "./terminal/note.js";

export interface ConfigFlags {
  readonly printDefaults?: true;
  readonly check?: string;
  readonly schema?: true;
  readonly explain?: string;
  readonly config?: string;
}

/**
 * Prints every setting with its default, the schema of files, or what is known about a setting; or checks whether a node could
 * start with a file and the files that it names, and whether the NATS servers can keep its history.
 */
export async function configCommand(flags: ConfigFlags, help: () => void): Promise<void> {
  const { check, explain, printDefaults, schema } = flags;
  if (printDefaults === true) {
    process.stdout.write(configReader.writeDefaults());
  } else if (schema === true) {
    process.stdout.write(configReader.writeJsonSchema());
  } else if (explain !== undefined) {
    explainSetting(explain, findConfigFile(flags.config));
  } else if (check !== undefined) {
    await checkFile(check);
  } else {
    help();
    process.exitCode = EXIT.usage;
  }
}

function explainSetting(key: string, file: string | undefined): void {
  const sources = { file, environment: process.env };
  try {
    process.stdout.write(configReader.explain(key, sources));
  } catch (error) {
    fail(error, EXIT.usage);
    return;
  }
  try {
    configReader.load(sources);
  } catch (error) {
    note(`the configuration is invalid: ${errorText(error)}`);
  }
}

async function checkFile(file: string): Promise<void> {
  try {
    const config = configReader.load({ file });
    const notes = await checkConfig(config, createLog({ level: "silent", format: "json" }));
    for (const text of notes) process.stdout.write(`note: ${text}\n`);
    process.stdout.write(`${file}: valid\n`);
  } catch (error) {
    fail(error, EXIT.usage);
  }
}
