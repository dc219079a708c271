import { parseArgs } from "node:util";
import fc from "fast-check";
import { progress } from "../support/progress.js";
import { table } from "../support/table.js";
import { runSession } from "./http2-check.js";
import { sessionArbitrary } from "./http2-sessions.js";

/** Subjects of campaigns, by name. Each run adds to the counts, and throws if something does not hold. */
const TARGETS: ReadonlyMap<string, (counts: Map<string, number>) => fc.IProperty<unknown>> = new Map([
  [
    "http2",
    (counts) =>
      fc.property(sessionArbitrary, (session) => {
        const { calls, goaway = "usable", inputBytes, outputBytes } = runSession(session);
        add(counts, "sessions", 1);
        add(counts, "calls", calls);
        add(counts, "bytes received", inputBytes);
        add(counts, "bytes sent", outputBytes);
        add(counts, `end: ${goaway}`, 1);
      }) as fc.IProperty<unknown>,
  ],
]);

const USAGE = `usage: npm run fuzz -- NAME [--minutes N] [--seed N]

NAME is one of: ${[...TARGETS.keys()].join(", ")}
--minutes  duration (default: 1)
--seed     seed of the first round (default: the time); each round adds 1
`;

/** Runs in a round, after which the time is checked. */
const ROUND = 2_000;
/** Rounds between two lines of progress. */
const REPORT = 50;

interface FuzzArguments {
  readonly name: string;
  readonly minutes: number;
  readonly seed: number;
}

function readArguments(): FuzzArguments | undefined {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { minutes: { type: "string" }, seed: { type: "string" } },
    });
    const [name = "", ...more] = positionals;
    const minutes = Number(values.minutes ?? 1);
    const seed = Number(values.seed ?? Date.now() % 2 ** 31);
    const isValid = TARGETS.has(name) && more.length === 0 && minutes > 0 && Number.isInteger(seed);
    return isValid ? { name, minutes, seed } : undefined;
  } catch {
    return undefined;
  }
}

/** Runs rounds until the time is over or one fails. @returns whether all held */
function fuzz({ minutes, name, seed: first }: FuzzArguments): boolean {
  const counts = new Map<string, number>();
  const property = TARGETS.get(name)?.(counts);
  if (property === undefined) return false;
  const end = performance.now() + minutes * 60_000;
  for (let round = 0; performance.now() < end; round += 1) {
    const seed = first + round;
    const result = fc.check(property, { seed, numRuns: ROUND });
    if (result.failed) {
      process.stderr.write(
        `${name}: seed ${seed} fails; --seed ${seed} repeats it\n${fc.defaultReportMessage(result)}\n`,
      );
      return false;
    }
    if (round % REPORT === 0) progress(`${name}: seed ${seed}, ${counts.get("sessions")} sessions`);
  }
  const rows = [...counts].toSorted(([one], [other]) => one.localeCompare(other));
  process.stdout.write(
    `\n${table(
      [name, "count"],
      rows.map(([what, count]) => [what, String(count)]),
    )}\n`,
  );
  return true;
}

function add(counts: Map<string, number>, name: string, count: number): void {
  counts.set(name, (counts.get(name) ?? 0) + count);
}

const parsed = readArguments();
if (parsed === undefined) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  process.exitCode = fuzz(parsed) ? 0 : 1;
}
