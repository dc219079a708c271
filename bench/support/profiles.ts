import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** CPU profile of V8. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const SHOWN = 25;

/** @returns a new folder for profiles */
export function createProfilesFolder(): string {
  return mkdtempSync(join(tmpdir(), "carillon-bench-"));
}

/** Prints the functions with the largest self time in the profiled processes. */
export function showProfiles(folder: string): void {
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".cpuprofile"))) {
    const path = join(folder, file);
    process.stderr.write(`\n${path}\n`);
    for (const [where, share] of computeSelfTimes(JSON.parse(readFileSync(path, "utf8")) as Profile).slice(0, SHOWN)) {
      process.stderr.write(`${(share * 100).toFixed(1).padStart(6)} %  ${where}\n`);
    }
  }
}

/** @returns functions with their share of the busy time, the largest first */
function computeSelfTimes({ nodes, samples, timeDeltas }: Profile): [string, number][] {
  const names = new Map(
    nodes.map(({ callFrame: { functionName, lineNumber, url }, id }) => [
      id,
      `${functionName || "(anonymous)"} ${url.replace(/^.*\/(?=(?:dist-bench|node_modules)\/)/, "")}:${lineNumber + 1}`,
    ]),
  );
  const times = new Map<string, number>();
  let total = 0;
  for (const [position, sample] of samples.entries()) {
    const name = names.get(sample) ?? "";
    if (name.startsWith("(idle)")) continue;
    const time = timeDeltas[position] ?? 0;
    total += time;
    times.set(name, (times.get(name) ?? 0) + time);
  }
  return [...times].map(([name, time]): [string, number] => [name, time / total]).toSorted((a, b) => b[1] - a[1]);
}
