import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cache } from "./paths.mjs";
import { findProgram } from "./program.mjs";
import { run } from "./run.mjs";
import { say } from "./say.mjs";

const VERSION = "1.9.4";
const MODULE = `github.com/fullstorydev/grpcurl/cmd/grpcurl@v${VERSION}`;

// The version is in the path: a newer pin is built anew.
const folder = join(cache, `grpcurl-${VERSION}`);
const built = join(folder, "grpcurl");

/**
 * A grpcurl for the tests of server reflection: `{ path }`, or `{ missing: reason }`. It is built with Go where Go is;
 * the module proxy checks what it gives against Go's checksum database.
 */
export async function grpcurl() {
  const found = findProgram([process.env.GRPCURL, "grpcurl", built].filter(Boolean));
  if (found) return { path: found };
  if ((await run("go", ["version"])).code !== 0) return { missing: "no grpcurl and no Go to build it with" };

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
