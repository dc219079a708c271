import { parseArgs } from "node:util";
import { progress } from "../support/progress.js";
import { table } from "../support/table.js";
import type { ChaosResult } from "./parts/compare-with-store.js";
import type { ChaosSize } from "./parts/world.js";
import { away } from "./scenarios/away.js";
import { drain } from "./scenarios/drain.js";
import { foreignPositions } from "./scenarios/foreign-positions.js";
import { linkCut, nodeKill, rollingRestart } from "./scenarios/nodes.js";
import { purge } from "./scenarios/purge.js";
import type { Scenario } from "./scenarios/scenario.js";
import { leaderKill, memoryLoss, serverFreeze } from "./scenarios/servers.js";

const SCENARIOS: readonly Scenario[] = [
  rollingRestart,
  drain,
  nodeKill,
  leaderKill,
  serverFreeze,
  linkCut,
  away,
  purge,
  foreignPositions,
  memoryLoss,
];

const USAGE = `usage: npm run chaos [-- NAME ...] [--toy] [--clients N] [--seconds N]

NAME is one of the scenarios below; without a name, all run.
--toy      run in seconds, with 40 clients
--clients  number of clients (default: 1000)
--seconds  duration of each phase (default: 10)

${SCENARIOS.map(({ name, what }) => `${name.padEnd(18)} ${what}`).join("\n")}
`;

/** Longest duration of a scenario, in milliseconds. */
const DEADLINE = { toy: 240_000, full: 1_200_000 } as const;

const HEAD = [
  "scenario",
  "clients",
  "stored",
  "repeated",
  "recovered",
  "refused",
  "again unrecovered",
  "lost",
  "duplicated",
  "misordered",
  "falsely recovered",
  "other faults",
  "s",
];

interface Arguments {
  readonly scenarios: readonly Scenario[];
  readonly size: ChaosSize;
}

function readArguments(): Arguments | undefined {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { toy: { type: "boolean" }, clients: { type: "string" }, seconds: { type: "string" } },
    });
    const toy = values.toy === true;
    const clients = Number(values.clients ?? (toy ? 40 : 1_000));
    const seconds = Number(values.seconds ?? (toy ? 1 : 10));
    const scenarios = SCENARIOS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
    const isValid = Number.isInteger(clients) && clients > 0 && seconds > 0;
    const areKnown = positionals.every((given) => SCENARIOS.some(({ name }) => name === given));
    return isValid && areKnown ? { scenarios, size: { toy, clients, seconds } } : undefined;
  } catch {
    return undefined;
  }
}

function countFaults({ faults, verdict }: ChaosResult): number {
  const { duplicated, falselyRecovered, lost, misordered, unknown } = verdict;
  return lost + duplicated + misordered + falselyRecovered + unknown + faults;
}

function toRow(name: string, result: ChaosResult, seconds: number): string[] {
  const { clients, duplicates, faults, recovered, refused, stored, verdict } = result;
  const reasons = [...refused].map(([reason, count]) => `${count} ${reason}`).toSorted();
  const numbers = [verdict.lost, verdict.duplicated, verdict.misordered, verdict.falselyRecovered];
  return [
    name,
    String(clients),
    String(stored),
    String(duplicates),
    String(recovered),
    reasons.length === 0 ? "0" : reasons.join(", "),
    String(verdict.repeatedUnrecovered),
    ...numbers.map(String),
    String(faults + verdict.unknown),
    seconds.toFixed(0),
  ];
}

async function runAll({ scenarios, size }: Arguments): Promise<boolean> {
  const rows: string[][] = [];
  let isClean = true;
  for (const { name, run, what } of scenarios) {
    progress(`${name}: ${what}`);
    const begin = performance.now();
    const deadline = setTimeout(
      () => {
        process.stderr.write(`${name}: not done in time\n`);
        process.exit(1);
      },
      size.toy ? DEADLINE.toy : DEADLINE.full,
    );
    try {
      const result = await run(size);
      const row = toRow(name, result, (performance.now() - begin) / 1_000);
      rows.push(row);
      progress(
        `${name}: ${row
          .slice(1)
          .map((cell, column) => `${HEAD[column + 1]} ${cell}`)
          .join(" · ")}`,
      );
      if (countFaults(result) > 0) isClean = false;
      for (const text of result.texts) process.stderr.write(`${name}: ${text}\n`);
    } catch (cause) {
      isClean = false;
      process.stderr.write(`${name}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}\n`);
      rows.push([name, "failed"]);
    }
    clearTimeout(deadline);
  }
  process.stdout.write(`\n${table(HEAD, rows)}\n`);
  return isClean;
}

const parsed = readArguments();
if (parsed === undefined) {
  process.stderr.write(USAGE);
  process.exit(2);
}
// Connections of libraries that close late must not keep the program.
process.exit((await runAll(parsed)) ? 0 : 1);
