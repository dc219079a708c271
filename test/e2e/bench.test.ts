import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { cleanUp } from "../support/clean-up.js";

const ROOT = join(__dirname, "../..");

/** Runs every benchmark once at toy size, so that none rots. No figure is checked. */
test("runs the benchmarks without lost, duplicated or misordered messages", async () => {
  const child = spawn(process.execPath, ["scripts/bench.mjs", "all", "--toy"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    // A process group of its own, so that the clean-up also ends the servers that it has started.
    detached: true,
  });
  const exited = once(child, "exit");
  cleanUp(async () => {
    endGroup(child.pid);
    await exited;
  });
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  expect({ code, errors: code === 0 ? "" : errors }).toEqual({ code: 0, errors: "" });
  const names = [...output.matchAll(/^## (\S+)/gm)].map((match) => match[1]);
  expect(names).toEqual([
    "smoke",
    "fanout-1",
    "fanout-burst",
    "personal",
    "many-topics",
    "nats",
    "processes",
    "publish",
    "publish-http",
    "idle",
    "latency",
    "slow",
    "connect",
    "scale",
    "access",
    "calls",
    "presence",
    "dialects",
    "stall",
    "history",
    "peers",
  ]);
  const faults = [...output.matchAll(/\| (\d+, \d+, \d+) +\|/g)].map((match) => match[1]);
  expect(faults.length).toBeGreaterThan(10);
  expect(faults).toEqual(faults.map(() => "0, 0, 0"));
}, 1_800_000);

/** Kills a process and all that it has started. */
function endGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    // The whole group has ended.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
