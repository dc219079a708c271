import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { digest } from "./digest.mjs";
import { goProgram } from "./go-program.mjs";
import { cache, inRoot } from "./paths.mjs";
import { findProgram, versionOf } from "./program.mjs";
import { run } from "./run.mjs";

const CENTRIFUGO = "github.com/centrifugal/centrifugo/v6";
const VERSION = "6.9.1";
const SHOW_VERSION = ["version"];
const FLOOR = "bench/peers/floor.c";
const ELSEWHERE = { missing: "the CPU time of other programs is read from /proc, which only Linux has" };

/**
 * Finds or builds the programs that `npm run bench -- peers` compares with. Returns environment variables with the path of
 * each, or with the reason why it is missing.
 *
 * @param mayBuild - false to build nothing that takes more than a second
 */
export async function peerEnvironment(mayBuild) {
  const linux = process.platform === "linux";
  const peer = linux ? await centrifugo(mayBuild) : ELSEWHERE;
  const floor = linux ? await cFloor() : ELSEWHERE;
  return {
    ...(peer.path
      ? { CENTRIFUGO: peer.path, CENTRIFUGO_VERSION: versionOf(peer.path, SHOW_VERSION) }
      : { CENTRIFUGO_MISSING: peer.missing }),
    ...(floor.path ? { C_FLOOR: floor.path } : { C_FLOOR_MISSING: floor.missing }),
  };
}

/** Finds or builds Centrifugo. Returns `{ path }`, or `{ missing: reason }`. @param mayBuild - false to build nothing */
export function centrifugo(mayBuild) {
  return goProgram({
    name: "centrifugo",
    version: VERSION,
    module: CENTRIFUGO,
    variable: "CENTRIFUGO",
    show: SHOW_VERSION,
    // The version that it prints, which releases set too.
    flags: ["-ldflags", `-X ${CENTRIFUGO}/internal/build.Version=${VERSION}`],
    pinned: true,
    mayBuild,
  });
}

/** Compiles the floor, unless the same text has been compiled before. */
async function cFloor() {
  const folder = join(cache, `floor-${digest([FLOOR]).slice(0, 12)}`);
  const built = join(folder, "floor");
  if (findProgram([built])) return { path: built };
  const compiler = findProgram(["cc", "gcc", "clang"]);
  if (!compiler) return { missing: "no C compiler is installed" };

  mkdirSync(cache, { recursive: true });
  // Built beside the target and renamed, so that the target is never incomplete.
  const work = mkdtempSync(join(cache, "floor-build-"));
  try {
    const flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"];
    const { code, output } = await run(compiler, [...flags, "-o", join(work, "floor"), inRoot(FLOOR)]);
    if (code !== 0) return { missing: `it could not be compiled: ${output.trim().split("\n")[0]}` };
    mkdirSync(folder, { recursive: true });
    renameSync(join(work, "floor"), built);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { path: built };
}
