import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digest, readStamp } from "./digest.mjs";
import { alone } from "./lock.mjs";
import { cache, inRoot } from "./paths.mjs";
import { mustRun } from "./run.mjs";
import { say } from "./say.mjs";

/** Path of the executable that `build` creates. */
export const bin = inRoot("dist", "src", "bin.js");

const SERVER = ["src", "gen"];

/** Compiles src/ and gen/ into dist/, and the client library into client/dist/, unless they are up to date. */
export async function build() {
  await compile({ project: "tsconfig.json", out: "dist", sources: SERVER, result: "src" });
  const sources = ["client/src", "client/package.json"];
  await compile({ project: "client/tsconfig.json", out: "client/dist", sources, result: "index.js" });
}

/** Compiles src/, gen/ and bench/ into dist-bench/, which the npm package does not include. */
export async function buildBench() {
  await compile({ project: "tsconfig.bench.json", out: "dist-bench", sources: [...SERVER, "bench"], result: "src" });
}

/** @param result - a file or folder of the output */
async function compile({ project, out, sources, result }) {
  // package-lock.json determines the compiler's version.
  const inputs = [...sources, "tsconfig.json", project, "package.json", "package-lock.json"];
  // The stamp is outside of `out`, because all of dist/ goes into the npm package.
  const stamp = join(cache, `${out.replaceAll("/", "-")}.stamp`);
  const done = () => existsSync(inRoot(out, result)) && readStamp(stamp) === digest(inputs);
  if (done()) return;
  await alone(async () => {
    if (done()) return;
    say(`building ${out} ...`);
    // Taken before the compiler runs, so that a file saved in the meantime is built at the next run.
    const built = digest(inputs);
    rmSync(stamp, { force: true });
    const fresh = `${out}-new`;
    remove(fresh);
    try {
      const tsc = inRoot("node_modules", "typescript", "bin", "tsc");
      await mustRun("the build", process.execPath, [tsc, "-p", project, "--outDir", fresh]);
      // tsc does not set the executable bit, and a test or a link may start this file directly.
      const executable = inRoot(fresh, "src", "bin.js");
      if (existsSync(executable)) chmodSync(executable, 0o755);
      replace(fresh, out);
    } finally {
      remove(fresh);
    }
    writeFileSync(stamp, built);
  });
}

// Replaces the folder by renames, so that a starting server never reads half a build and the output of deleted sources
// disappears. `fresh` is beside `out`, because in a deeper folder the source maps' paths would be wrong.
function replace(fresh, out) {
  const old = `${out}-old`;
  remove(old);
  if (existsSync(inRoot(out))) renameSync(inRoot(out), inRoot(old));
  renameSync(inRoot(fresh), inRoot(out));
  remove(old);
}

function remove(folder) {
  rmSync(inRoot(folder), { recursive: true, force: true });
}
