import { parseArgs } from "node:util";
import { access } from "./access.js";
import { calls } from "./calls.js";
import { connect } from "./connect.js";
import { dialects } from "./dialects.js";
import { fanout1 } from "./fanout-1.js";
import { fanoutBurst } from "./fanout-burst.js";
import { idle } from "./idle.js";
import { latency } from "./latency.js";
import { manyTopics } from "./many-topics.js";
import { nats } from "./nats.js";
import { personal } from "./personal.js";
import { presence } from "./presence.js";
import { publish } from "./publish.js";
import { scale } from "./scale.js";
import { slow } from "./slow.js";
import { smoke } from "./smoke.js";
import { stall } from "./stall.js";
import { newProfiles, showProfiles } from "./support/profiles.js";
import { progress } from "./support/progress.js";
import { type Benchmark, reportText } from "./support/report.js";
import { writeResult } from "./support/results.js";

/** In the order in which `all` runs them, and in which bench/RESULTS.md shows them. */
const BENCHMARKS: ReadonlyMap<string, Benchmark> = new Map([
  ["smoke", smoke],
  ["fanout-1", fanout1],
  ["fanout-burst", fanoutBurst],
  ["personal", personal],
  ["many-topics", manyTopics],
  ["nats", nats],
  ["publish", publish],
  ["idle", idle],
  ["latency", latency],
  ["slow", slow],
  ["connect", connect],
  ["scale", scale],
  ["access", access],
  ["calls", calls],
  ["presence", presence],
  ["dialects", dialects],
  ["stall", stall],
]);

const TOY = "\n\nToy size: it works, and the figures mean nothing.";

const USAGE = `usage: npm run bench -- NAME [--toy] [--write] [--profile] [--rounds N] [--only TEXT]

NAME is all, micro, or one of: ${[...BENCHMARKS.keys()].join(", ")}
--toy      a size that takes seconds and shows only that it works
--write    put the tables into bench/RESULTS.md
--profile  tell where the CPU time of the Carillon servers goes (figures are then too high)
--rounds   how often each server is measured, 5 where it is not said
--only     measure the inputs that have this text in their names (stall)
`;

interface Flags {
  readonly toy?: boolean;
  readonly write?: boolean;
  readonly profile?: boolean;
  readonly rounds?: string;
  readonly only?: string;
}

/** Loaded when it is wanted: its library is none of the other benchmarks' business. */
async function runMicro(toy: boolean): Promise<void> {
  const { micro } = await import("./micro/micro.js");
  await micro(toy);
}

async function run(
  name: string,
  benchmark: Benchmark,
  { only, profile, rounds, toy = false, write }: Flags,
): Promise<void> {
  const profiles = profile === true ? newProfiles() : undefined;
  const begin = performance.now();
  const report = await benchmark({ toy, only, profiles, rounds: Number(rounds ?? (toy ? 1 : 5)) });
  const text = `${reportText(report)}${toy ? TOY : ""}`;
  progress(`${name}: took ${((performance.now() - begin) / 1_000).toFixed(0)} s`);
  process.stdout.write(`\n## ${name}\n\n${text}\n`);
  if (profiles !== undefined) showProfiles(profiles);
  if (write === true) writeResult(name, text, [...BENCHMARKS.keys()]);
}

function readArguments(): { readonly name: string; readonly flags: Flags } | undefined {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: {
        toy: { type: "boolean" },
        write: { type: "boolean" },
        profile: { type: "boolean" },
        rounds: { type: "string" },
        only: { type: "string" },
      },
    });
    const [name = "", ...more] = positionals;
    const known = name === "all" || name === "micro" || BENCHMARKS.has(name);
    return known && more.length === 0 && /^[1-9]\d*$/.test(values.rounds ?? "1") ? { name, flags: values } : undefined;
  } catch {
    return undefined;
  }
}

const given = readArguments();
if (given === undefined) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  const { flags, name } = given;
  for (const [each, benchmark] of BENCHMARKS) {
    if (name === "all" || name === each) await run(each, benchmark, flags);
  }
  // CI runs everything once, at toy size.
  if (name === "micro" || (name === "all" && flags.toy === true)) await runMicro(flags.toy === true);
}
