import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digest, readStamp } from "./digest.mjs";
import { alone } from "./lock.mjs";
import { cache, inRoot } from "./paths.mjs";
import { mustRun } from "./run.mjs";
import { say } from "./say.mjs";

/** The executable that `build` makes. */
export const bin = inRoot("dist", "src", "bin.js");

/** Compiles src/ and gen/ into dist/, unless dist/ is made from exactly these sources already. */
export async function build() {
  await compile({ project: "tsconfig.json", out: "dist", sources: ["src", "gen"] });
}

/** The same and bench/ too, into dist-bench/: what is measured is compiled as what is shipped, but never shipped. */
export async function buildBench() {
  await compile({ project: "tsconfig.bench.json", out: "dist-bench", sources: ["src", "gen", "bench"] });
}

async function compile({ project, out, sources }) {
  // package-lock.json stands for the compiler's version.
  const inputs = [...sources, "tsconfig.json", project, "package.json", "package-lock.json"];
  // The stamp lies beside `out` and not in it, because all of dist/ goes into the npm package.
  const stamp = join(cache, `${out}.stamp`);
  const done = () => existsSync(inRoot(out, "src")) && readStamp(stamp) === digest(inputs);
  if (done()) return;
  await alone(async () => {
    if (done()) return;
    say(`building ${out} ...`);
    // Taken before the compiler reads: a file saved while it runs is built at the next run.
    const built = digest(inputs);
    rmSync(stamp, { force: true });
    const fresh = `${out}-new`;
    remove(fresh);
    try {
      const tsc = inRoot("node_modules", "typescript", "bin", "tsc");
      await mustRun("the build", process.execPath, [tsc, "-p", project, "--outDir", fresh]);
      // tsc writes plain files; a test or a link may start this one directly.
      const executable = inRoot(fresh, "src", "bin.js");
      if (existsSync(executable)) chmodSync(executable, 0o755);
      replace(fresh, out);
    } finally {
      remove(fresh);
    }
    writeFileSync(stamp, built);
  });
}

// By renames, so that a server that is just starting never reads half a build; and whole, so that what was compiled
// from files that are gone now goes too. `fresh` lies beside `out`: deeper down, the source maps' paths would be wrong.
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
