import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { digest, readStamp } from "./digest.mjs";
import { alone } from "./lock.mjs";
import { cache, inRoot } from "./paths.mjs";
import { findProgram, versionOf } from "./program.mjs";
import { run } from "./run.mjs";
import { SetupError, say } from "./say.mjs";

// Written last into the environment, so that an interrupted installation has no stamp.
const STAMP = "carillon-stamp";

// Without a network pip would retry for minutes.
const PIP_INSTALL = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
const PIP_LIMITS = ["--timeout", "15", "--retries", "1"];

/**
 * Creates a virtual environment of Python for each file `scripts/python/NAME.txt`, which pins its packages. Returns
 * `{ env, missing }`: variables for the tests, and a message for each environment that could not be created. The
 * interpreter of NAME is in PYTHON_NAME (`socketio-4`: PYTHON_SOCKETIO_4), or the reason why it is missing in
 * PYTHON_NAME_MISSING. Those in `omitted` are not created. @throws SetupError for an invalid PYTHON
 */
export async function pythonEnvironments(omitted) {
  const names = readdirSync(inRoot("scripts", "python"))
    .map((file) => file.replace(/\.txt$/, ""))
    .filter((name) => !omitted.includes(name));
  const env = {};
  const missing = [];
  const python = interpreter();
  if (!python) missing.push("skipped the tests with a terminal: python3 is not on the PATH");
  for (const name of names.toSorted()) {
    const { path, reason } = python ? await environment(name, python) : { reason: "python3 is not on the PATH" };
    const variable = `PYTHON_${name.replaceAll("-", "_").toUpperCase()}`;
    env[path ? variable : `${variable}_MISSING`] = path ?? reason;
    if (!path) missing.push(`skipped the tests with Python ${name}: ${reason}`);
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
    say(`creating the Python environment ${name} (first time only) ...`);
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
  return lines.findLast((line) => line !== "" && !line.startsWith("[notice]")) ?? "no output";
}
