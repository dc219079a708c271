import { SetupError, Stopped, say } from "./say.mjs";

// What package.json names under "engines". Checked here too, because npm only warns about it, and what follows would
// fail later with a message that does not name the cause.
const OLDEST_NODE = 20;

/** Runs a script's steps; a SetupError ends it with exit code 1 and one clear message, a signal with the usual code. */
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
