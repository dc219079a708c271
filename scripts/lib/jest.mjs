import { copyFileSync, existsSync } from "node:fs";
import { resolve } from "node:path";
import { inRoot, root } from "./paths.mjs";
import { run } from "./run.mjs";

const OUTPUT_FILE = "--outputFile=";

/**
 * Runs jest, and writes its results as JSON to the file `results`. An `--outputFile` among the arguments receives a copy,
 * because jest accepts only one.
 * @param options - those of `run`
 */
export async function jest(args, results, options) {
  const bin = inRoot("node_modules", "jest", "bin", "jest.js");
  const rest = args.filter((arg) => !arg.startsWith(OUTPUT_FILE));
  const outcome = await run(process.execPath, [bin, "--json", `${OUTPUT_FILE}${results}`, ...rest], options);
  const copy = args.find((arg) => arg.startsWith(OUTPUT_FILE))?.slice(OUTPUT_FILE.length);
  if (copy !== undefined && existsSync(results)) copyFileSync(results, resolve(root, copy));
  return outcome;
}
