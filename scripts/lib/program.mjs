import { spawnSync } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

// Folders of programs that may be missing from PATH: on Debian, an ordinary user's PATH lacks sbin.
const MORE_FOLDERS = ["/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin", "/opt/homebrew/bin"];

// A browser's first start on a slow machine takes seconds.
const VERSION_TIMEOUT_MS = 20_000;

/**
 * Finds the first program (a name or an absolute path) that exists and runs; undefined when there is none.
 *
 * @param show - arguments with which the program prints its version
 */
export function findProgram(names, show) {
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), ...MORE_FOLDERS];
  const candidates = names.flatMap((name) => (isAbsolute(name) ? [name] : folders.map((folder) => join(folder, name))));
  return candidates.find((path) => isExecutable(path) && versionOf(path, show) !== undefined);
}

/**
 * Returns the first line of a program's version, or undefined if it fails. A placeholder fails, such as Ubuntu's
 * `chromium-browser` without its snap.
 */
export function versionOf(path, show = ["--version"]) {
  const { status, stdout } = spawnSync(path, show, { encoding: "utf8", timeout: VERSION_TIMEOUT_MS });
  return status === 0 ? stdout.trim().split("\n")[0] : undefined;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
