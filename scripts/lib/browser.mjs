import { findProgram, versionOf } from "./program.mjs";
import { SetupError } from "./say.mjs";
import { distribution, installSystemPackage } from "./system-package.mjs";

const KNOWN = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/**
 * A Chromium for the page's tests: `{ path }`, or `{ missing: reason }`. A missing browser is no error, because all
 * but those tests run without one; a wrong CHROMIUM is, because somebody meant it.
 */
export async function browser() {
  const named = process.env.CHROMIUM;
  if (named) {
    if (versionOf(named) === undefined) throw new SetupError(`CHROMIUM=${named} cannot be run.`);
    return { path: named };
  }
  const found = findProgram(KNOWN);
  if (found) return { path: found };

  const reason = await get();
  const installed = findProgram(KNOWN);
  if (installed) return { path: installed };
  const why = reason ?? "the system's package chromium does not run here";
  return { missing: `no Chromium: ${why}. Install Chromium or Chrome, or set CHROMIUM=/path/to/it` };
}

async function get() {
  // There the package only sends on to a snap, which cannot be installed in a container or without a running snapd.
  if (distribution() === "ubuntu") return "Ubuntu has it as a snap only, which this script does not install";
  // Homebrew's chromium is no command-line package, and its Chrome asks for a password.
  if (process.platform === "darwin") return "none of the usual applications is installed";
  return installSystemPackage("chromium");
}
