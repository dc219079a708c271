import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digest, readStamp } from "./digest.mjs";
import { alone } from "./lock.mjs";
import { cache, inRoot } from "./paths.mjs";
import { findProgram, versionOf } from "./program.mjs";
import { run } from "./run.mjs";
import { SetupError, say } from "./say.mjs";

// Beside the interpreter, so that an interrupted installation has none.
const STAMP = "carillon-stamp";

// Without a network pip would retry for minutes.
const PIP_INSTALL = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
const PIP_LIMITS = ["--timeout", "15", "--retries", "1"];

/**
 * Virtual environments of Python for tests: one for each file `scripts/python/NAME.txt`, which pins its packages.
 * Answers `{ env, missing }`: variables for the tests, and a line for each environment that is not to be had. NAME's
 * interpreter is in PYTHON_NAME (`socketio-4`: PYTHON_SOCKETIO_4), or the reason why there is none in
 * PYTHON_NAME_MISSING. A missing Python is no error, because few tests need one; a wrong PYTHON is, because somebody
 * meant it.
 */
export async function pythonEnvironments() {
  const names = readdirSync(inRoot("scripts", "python")).map((file) => file.replace(/\.txt$/, ""));
  const env = {};
  const missing = [];
  const python = interpreter();
  for (const name of names.toSorted()) {
    const { path, reason } = python ? await environment(name, python) : { reason: "no python3 is on the PATH" };
    const variable = `PYTHON_${name.replaceAll("-", "_").toUpperCase()}`;
    env[path ? variable : `${variable}_MISSING`] = path ?? reason;
    if (!path) missing.push(`the tests in Python with ${name} were skipped: ${reason}`);
  }
  return { env, missing };
}

function interpreter() {
  const named = process.env.PYTHON;
  if (!named) return findProgram(["python3"]);
  if (versionOf(named) === undefined) throw new SetupError(`PYTHON=${named} cannot be run.`);
  return named;
}

/** Returns the interpreter of a complete environment, `{ path }`, or `{ reason }`. */
async function environment(name, python) {
  const requirements = join("scripts", "python", `${name}.txt`);
  const folder = join(cache, "python", name);
  const path = join(folder, "bin", "python");
  const wanted = `${digest([requirements])} ${python} ${versionOf(python)} ${folder}\n`;
  const isDone = () => existsSync(path) && readStamp(join(folder, STAMP)) === wanted;
  if (isDone()) return { path };
  return alone(async () => {
    if (isDone()) return { path };
    say(`making the Python environment ${name} (first time only) ...`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(cache, "python"), { recursive: true });
    const steps = [
      [python, ["-m", "venv", folder]],
      [path, [...PIP_INSTALL, ...PIP_LIMITS, "-r", inRoot(requirements)]],
    ];
    for (const [file, args] of steps) {
      const { code, output } = await run(file, args);
      if (code !== 0) return { reason: lastLine(output) };
    }
    writeFileSync(join(folder, STAMP), wanted);
    return { path };
  });
}

/** Returns the last line, in which pip and venv report the failure. */
function lastLine(output) {
  const lines = output.split("\n").map((line) => line.trim());
  return lines.findLast((line) => line !== "" && !line.startsWith("[notice]")) ?? "it says nothing";
}
