import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { startBusyLoops } from "./busy-loops.mjs";
import { readFailures } from "./failures.mjs";
import { jest } from "./jest.mjs";
import { cache, root } from "./paths.mjs";
import { say } from "./say.mjs";
import { tally } from "./tally.mjs";

/**
 * Runs jest `runs` times beside `loops` busy loops, and prints a table of the tests that failed at least once. Keeps the
 * output and results of runs with failures in a folder below .cache/stress. @returns whether any test failed
 */
export async function stress({ args, env, loops, runs }) {
  const folder = join(cache, "stress", new Date().toISOString().replaceAll(/[:.]/g, "-"));
  const failures = new Failures();
  const busy = startBusyLoops(loops);
  say(`beside busy loops: ${busy.ids.join(", ")}`);
  let finished = 0;
  try {
    for (let run = 1; run <= runs; run += 1) {
      const kept = join(folder, `run-${run}`);
      const { failed, line } = await runOnce(args, env, kept);
      for (const failure of failed) failures.add(run, failure);
      if (failed.length === 0) rmSync(kept, { recursive: true });
      finished = run;
      say(`run ${run} of ${runs}: ${line}`);
    }
  } finally {
    await busy.stop();
    process.stdout.write(failures.table(finished));
    if (!failures.isEmpty) say(`output of the runs with failures: ${relative(root, folder)}`);
  }
  if (failures.isEmpty) rmSync(folder, { recursive: true });
  return !failures.isEmpty;
}

async function runOnce(args, env, folder) {
  mkdirSync(folder, { recursive: true });
  const results = join(folder, "results.json");
  const output = openSync(join(folder, "output.log"), "w");
  const start = performance.now();
  try {
    const { code } = await jest(args, results, { env, to: output });
    const failed = readFailures(results) ?? [{ test: "jest", message: "ended without results" }];
    // Jest can fail without a failed test, for example when a worker crashes or no file matches.
    if (code !== 0 && failed.length === 0) failed.push({ test: "jest", message: `exit code ${code}` });
    const seconds = Math.round((performance.now() - start) / 1_000);
    return { failed, line: `${tally(results) ?? "no results"}, ${seconds} s` };
  } finally {
    closeSync(output);
  }
}

class Failures {
  #runs = new Map();

  get isEmpty() {
    return this.#runs.size === 0;
  }

  add(run, { message, test }) {
    const known = this.#runs.get(test) ?? { runs: new Set(), message };
    known.runs.add(run);
    this.#runs.set(test, known);
  }

  /** Formats the tests, most failures first, each with the first line of its first message. */
  table(total) {
    if (this.isEmpty) return `no failures in ${total} runs\n`;
    const rows = [...this.#runs].toSorted(([, one], [, other]) => other.runs.size - one.runs.size);
    return rows
      .map(([test, { message, runs }]) => {
        const [first = ""] = message.split("\n");
        return `${runs.size} of ${total}  ${test}\n        runs ${[...runs].join(", ")}: ${first}\n`;
      })
      .join("");
  }
}
