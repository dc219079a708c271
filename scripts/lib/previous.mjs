import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { alone } from "./lock.mjs";
import { cache, inRoot } from "./paths.mjs";
import { mustRun, run } from "./run.mjs";
import { say } from "./say.mjs";

/** Names the commit of the version that this one must work with. */
const RECORD = inRoot("test", "e2e", "compatibility", "previous.json");

/** Paths that a node and the client library need. */
const PATHS = ["src", "gen", "page", "package.json", "tsconfig.json", "client/src"];

/**
 * Builds the previous version from git's history, once. Returns `{ folder }`, with `dist/src/bin.js` and `client/src/`, or
 * `{ missing }`, the reason why it cannot be built here.
 */
export async function previousVersion() {
  const { commit } = JSON.parse(readFileSync(RECORD, "utf8"));
  const folder = join(cache, "previous", commit);
  const stamp = join(folder, "carillon-stamp");
  if (existsSync(stamp)) return { folder };
  const { code } = await run("git", ["cat-file", "-e", `${commit}^{commit}`]);
  if (code !== 0) return { missing: `git's history here lacks its commit ${commit.slice(0, 12)}` };
  return alone(async () => {
    if (existsSync(stamp)) return { folder };
    say("building the previous version (first time only) ...");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const archive = join(folder, "sources.tar");
    await mustRun("git archive", "git", ["archive", "--format=tar", "-o", archive, commit, ...PATHS]);
    await mustRun("tar", "tar", ["-xf", archive, "-C", folder]);
    rmSync(archive);
    const tsc = inRoot("node_modules", "typescript", "bin", "tsc");
    // Packages are those of this version, whose types may differ.
    const options = ["--noCheck", "--sourceMap", "false", "--declaration", "false", "--outDir", join(folder, "dist")];
    await mustRun("the build of the previous version", process.execPath, [tsc, "-p", folder, ...options]);
    writeFileSync(stamp, commit);
    return { folder };
  });
}
