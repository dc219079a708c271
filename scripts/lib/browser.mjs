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
 * Finds or installs Chromium for the page's tests. Returns `{ path }`, or `{ missing: reason }`, because all other tests
 * run without it. @throws SetupError for an invalid CHROMIUM
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
  const why = reason ?? "the system's chromium package does not run here";
  return { missing: `no Chromium: ${why}. Install Chromium or Chrome, or set CHROMIUM=/path/to/it` };
}

async function get() {
  // Ubuntu's package only installs a snap, which fails in a container or without a running snapd.
  if (distribution() === "ubuntu") return "Ubuntu provides it only as a snap, which this script does not install";
  // Homebrew's chromium is not a command-line package, and its Chrome asks for a password.
  if (process.platform === "darwin") return "neither Chrome nor Chromium is installed in /Applications";
  return installSystemPackage("chromium");
}
