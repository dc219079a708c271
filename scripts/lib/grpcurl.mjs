import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache } from "./paths.mjs";
import { findProgram } from "./program.mjs";
import { run } from "./run.mjs";
import { say } from "./say.mjs";

const VERSION = "1.9.4";
const MODULE = `github.com/fullstorydev/grpcurl/cmd/grpcurl@v${VERSION}`;

// The path contains the version, so that a newer version is built again.
const folder = join(cache, `grpcurl-${VERSION}`);
const built = join(folder, "grpcurl");

/**
 * Finds grpcurl for the tests of server reflection, or builds it if Go is installed. Returns `{ path }`, or
 * `{ missing: reason }`. Go verifies the module against its checksum database.
 */
export async function grpcurl() {
  const found = findProgram([process.env.GRPCURL, "grpcurl", built].filter(Boolean));
  if (found) return { path: found };
  if ((await run("go", ["version"])).code !== 0)
    return { missing: "neither grpcurl nor Go, which builds it, is installed" };

  say("building grpcurl (first time only) ...");
  mkdirSync(cache, { recursive: true });
  // Built beside the target and renamed, so that the target is never incomplete.
  const work = mkdtempSync(join(cache, "grpcurl-build-"));
  try {
    const { code, output } = await run("go", ["install", MODULE], { env: { ...process.env, GOBIN: work } });
    if (code !== 0) return { missing: `grpcurl could not be built: ${output.trim().split("\n").at(-1)}` };
    mkdirSync(folder, { recursive: true });
    renameSync(join(work, "grpcurl"), built);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { path: built };
}
