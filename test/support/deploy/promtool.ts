import { spawnSync } from "node:child_process";
import { packageRoot } from "../../../src/util/package-root.js";

const program = process.env["PROMTOOL"] || "promtool";

/** Groups tests that need promtool. Without it they are skipped, and the group's title says why. */
export function ifPromtool(title: string, tests: () => void): void {
  const missing = process.env["PROMTOOL_MISSING"] ?? (isInstalled() ? undefined : "promtool is not installed");
  const group = missing === undefined ? describe : describe.skip;
  group(missing === undefined ? title : `${title} (skipped: ${missing})`, tests);
}

/** Runs promtool in the repository. */
export function promtool(
  args: readonly string[],
  input = "",
): { readonly code: number | null; readonly output: string } {
  const { status, stderr, stdout } = spawnSync(program, args, { cwd: packageRoot, encoding: "utf8", input });
  return { code: status, output: stdout + stderr };
}

function isInstalled(): boolean {
  return spawnSync(program, ["--version"]).status === 0;
}
