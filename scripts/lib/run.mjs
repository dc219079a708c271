import { spawn } from "node:child_process";
import { root } from "./paths.mjs";
import { SetupError, Stopped } from "./say.mjs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

// Milliseconds after which a child that ignores a signal is killed.
const GRACE_MS = 5_000;

/**
 * Runs a program in the repository's root, or in `cwd`, and resolves to `{ code, output }`. With `show: true` the output is shown
 * instead of collected; with `to`, an open file descriptor, it is written to that file. A signal to this process is
 * forwarded to the child. @throws Stopped when the child has ended after a signal
 */
export function run(file, args, { show = false, to = "pipe", env = process.env, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = show ? "inherit" : ["ignore", to, to];
    const child = spawn(file, args, { cwd, env, stdio });
    const chunks = [];
    child.stdout?.on("data", (chunk) => chunks.push(chunk));
    child.stderr?.on("data", (chunk) => chunks.push(chunk));

    let signalled;
    let timer;
    const onSignal = (signal) => {
      signalled = signal;
      child.kill(signal);
      timer ??= setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    };
    // Removed when the child ends, because modules that start.mjs loads later handle signals themselves.
    for (const signal of SIGNALS) process.on(signal, onSignal);

    const finish = (code, note = "") => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      clearTimeout(timer);
      if (signalled) reject(new Stopped(signalled));
      else resolve({ code, output: Buffer.concat(chunks).toString() + note });
    };
    child.on("error", (error) => finish(127, `${error.message}\n`));
    child.on("close", (code) => finish(code ?? 1));
  });
}

/** Runs a step, and prints its output only if it fails. @throws SetupError if it fails */
export async function mustRun(what, file, args, options) {
  const { code, output } = await run(file, args, options);
  if (code === 0) return;
  process.stderr.write(output);
  throw new SetupError(`${what} failed (exit code ${code}).`);
}
