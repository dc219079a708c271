import { existsSync, writeFileSync } from "node:fs";
import { digest, readStamp } from "./digest.mjs";
import { isInstalled } from "./installed.mjs";
import { alone } from "./lock.mjs";
import { npm } from "./npm.mjs";
import { inRoot } from "./paths.mjs";
import { mustRun } from "./run.mjs";
import { say } from "./say.mjs";

// The stamp is inside node_modules, which `npm ci` removes first, so an interrupted install leaves no stamp.
const STAMP = inRoot("node_modules", ".carillon-stamp");

/** Installs the packages of package-lock.json, unless they are already installed. */
export async function install() {
  if (isDone()) return;
  await alone(async () => {
    if (isDone()) return;
    const why = existsSync(inRoot("node_modules")) ? "they differ from package-lock.json" : "first time only";
    say(`installing packages (${why}) ...`);
    const [file, ...first] = npm();
    // --include=dev: with NODE_ENV=production npm would leave out the compiler.
    await mustRun("npm ci", file, [...first, "ci", "--include=dev", "--no-audit", "--no-fund"]);
    writeFileSync(STAMP, wanted());
  });
}

function isDone() {
  if (readStamp(STAMP) === wanted()) return true;
  if (!isInstalled()) return false;
  writeFileSync(STAMP, wanted());
  return true;
}

// Some packages are compiled for one platform, so a folder shared with another machine or container counts as old.
function wanted() {
  return `${digest(["package-lock.json"])} ${process.platform} ${process.arch}\n`;
}
