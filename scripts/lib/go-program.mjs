import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache } from "./paths.mjs";
import { findProgram, versionOf } from "./program.mjs";
import { run } from "./run.mjs";
import { SetupError, say } from "./say.mjs";

/**
 * Finds a Go program, or builds it if Go is installed. Returns `{ path }`, or `{ missing: reason }`. Go verifies the module
 * against its checksum database.
 *
 * @param variable - environment variable that may name the program
 * @param built - name that `go install` gives the program
 * @param show - arguments with which the program prints its version
 * @param flags - further flags of `go install`
 * @param pinned - true to ignore a program on the PATH, whose version may be another one
 * @param mayBuild - false to use only an existing program
 * @throws SetupError if the variable names a program that does not run
 */
export async function goProgram({
  name,
  version,
  module,
  variable,
  built: builtName = name,
  show,
  flags = [],
  pinned = false,
  mayBuild = true,
}) {
  const named = process.env[variable];
  if (named) {
    if (versionOf(named, show) === undefined) throw new SetupError(`${variable}=${named} cannot be run.`);
    return { path: named };
  }
  // The path contains the version, so that a newer version is built again.
  const folder = join(cache, `${name}-${version}`);
  const built = join(folder, name);
  const found = findProgram(pinned ? [built] : [name, built], show);
  if (found) return { path: found };
  if (!mayBuild) return { missing: `${name} ${version} is not built` };
  if ((await run("go", ["version"])).code !== 0)
    return { missing: `neither ${name} nor Go, which builds it, is installed` };

  say(`building ${name} ${version} (first time only) ...`);
  mkdirSync(cache, { recursive: true });
  // Built beside the target and renamed, so that the target is never incomplete.
  const work = mkdtempSync(join(cache, `${name}-build-`));
  try {
    const env = { ...process.env, GOBIN: work, GOFLAGS: "-mod=mod" };
    const { code, output } = await run("go", ["install", ...flags, `${module}@v${version}`], { env });
    if (code !== 0) return { missing: `${name} could not be built: ${output.trim().split("\n").at(-1)}` };
    mkdirSync(folder, { recursive: true });
    renameSync(join(work, builtName), built);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { path: built };
}
