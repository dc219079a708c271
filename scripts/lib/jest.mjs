import { inRoot } from "./paths.mjs";
import { run } from "./run.mjs";

/** Runs jest with these arguments, and writes its results as JSON to the file `results`. @param options - those of `run` */
export function jest(args, results, options) {
  const bin = inRoot("node_modules", "jest", "bin", "jest.js");
  return run(process.execPath, [bin, "--json", `--outputFile=${results}`, ...args], options);
}
