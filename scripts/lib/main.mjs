import { SetupError, Stopped, say } from "./say.mjs";

// Oldest Node of "engines" in package.json. Checked here too, because npm only warns, and later steps would fail with a
// message that does not name the cause.
const OLDEST_NODE = 20;

/** Runs the steps of a script. A SetupError ends it with its message and exit code 1, a signal with 128 + its number. */
export async function main(steps) {
  try {
    checkNode();
    await steps();
  } catch (error) {
    if (error instanceof Stopped) process.exit(error.exitCode);
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}

function checkNode() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= OLDEST_NODE) return;
  throw new SetupError(
    `this is Node ${process.versions.node}; Carillon needs Node ${OLDEST_NODE} or newer (https://nodejs.org).`,
  );
}
