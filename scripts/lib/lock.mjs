import { closeSync, mkdirSync, openSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cache } from "./paths.mjs";
import { say } from "./say.mjs";

const PATH = join(cache, "setup.lock");
const POLL_MS = 200;
const BEAT_MS = 1_000;
// A killed holder leaves the file behind. Its age decides and not a process id, because ids are reused and containers
// that share a checkout do not see each other's processes.
const STALE_MS = 15_000;

/** Waits until no other script of this checkout installs or builds, then runs `task` under the lock. */
export async function alone(task) {
  mkdirSync(cache, { recursive: true });
  for (let waited = false; !take(); waited = true) {
    if (!waited) say("waiting for another install or build in this folder ...");
    await sleep(POLL_MS);
  }
  const beat = setInterval(touch, BEAT_MS);
  try {
    return await task();
  } finally {
    clearInterval(beat);
    rmSync(PATH, { force: true });
  }
}

function take() {
  try {
    closeSync(openSync(PATH, "wx"));
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  // A stale file is removed now, and created again at the next poll at the earliest. In the meantime every other waiter
  // that saw the stale file removes it too, so that none removes a new one.
  const seen = statSync(PATH, { throwIfNoEntry: false });
  if (seen && Date.now() - seen.mtimeMs > STALE_MS) rmSync(PATH, { force: true });
  return false;
}

function touch() {
  const now = new Date();
  try {
    utimesSync(PATH, now, now);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}
