import { parseArgs } from "node:util";
import { access } from "./access.js";
import { calls } from "./calls.js";
import { connect } from "./connect.js";
import { dialects } from "./dialects.js";
import { fanout1 } from "./fanout-1.js";
import { fanoutBurst } from "./fanout-burst.js";
import { history } from "./history.js";
import { idle } from "./idle.js";
import { latency } from "./latency.js";
import { manyTopics } from "./many-topics.js";
import { nats } from "./nats.js";
import { peers } from "./peers/peers.js";
import { personal } from "./personal.js";
import { presence } from "./presence.js";
import { processes } from "./processes.js";
import { publish } from "./publish.js";
import { publishHttp } from "./publish-http.js";
import { scale } from "./scale.js";
import { slow } from "./slow.js";
import { smoke } from "./smoke.js";
import { stall } from "./stall.js";
import { createProfilesFolder, showProfiles } from "./support/profiles.js";
import { progress } from "./support/progress.js";
import { type Benchmark, formatReport } from "./support/report.js";
import { writeResult } from "./support/results.js";

/** Benchmarks in the order of `all` and of bench/RESULTS.md. */
const BENCHMARKS: ReadonlyMap<string, Benchmark> = new Map([
  ["smoke", smoke],
  ["fanout-1", fanout1],
  ["fanout-burst", fanoutBurst],
  ["personal", personal],
  ["many-topics", manyTopics],
  ["nats", nats],
  ["processes", processes],
  ["publish", publish],
  ["publish-http", publishHttp],
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
  ["history", history],
  ["peers", peers],
]);

const TOY = "\n\nToy size: the figures are meaningless.";

const USAGE = `usage: npm run bench -- NAME [--toy] [--write] [--profile] [--rounds N] [--only TEXT] [--grpc SERVER]

NAME is all, micro, or one of: ${[...BENCHMARKS.keys()].join(", ")}
--toy      run in seconds, only to check that the benchmark works
--write    write the tables to bench/RESULTS.md
--profile  print the functions in which Carillon's servers spend CPU time (figures are then too high)
--rounds   number of measurements of each server (default: 5)
--only     measure only inputs whose name contains this text (stall, peers)
--grpc     grpc-js (default) or native: the setting grpc.server of the nodes (the parts grpc of peers measure both)
`;

interface Flags {
  readonly toy?: boolean;
  readonly write?: boolean;
  readonly profile?: boolean;
  readonly rounds?: string;
  readonly only?: string;
  readonly grpc?: string;
}

/** Runs the micro benchmarks. Their library is loaded here, so that other benchmarks run without it. */
async function runMicro(toy: boolean): Promise<void> {
  const { micro } = await import("./micro/micro.js");
  await micro(toy);
}

async function run(
  name: string,
  benchmark: Benchmark,
  { grpc, only, profile, rounds, toy = false, write }: Flags,
): Promise<void> {
  const profiles = profile === true ? createProfilesFolder() : undefined;
  const begin = performance.now();
  const report = await benchmark({ toy, only, profiles, rounds: Number(rounds ?? (toy ? 1 : 5)) });
  const server = grpc === undefined ? "" : `The gRPC server of the nodes is ${grpc}. `;
  const text = `${server}${formatReport(report)}${toy ? TOY : ""}`;
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
        grpc: { type: "string" },
      },
    });
    const [name = "", ...more] = positionals;
    const known = name === "all" || name === "micro" || BENCHMARKS.has(name);
    const isValid = /^[1-9]\d*$/.test(values.rounds ?? "1") && /^(?:grpc-js|native)$/.test(values.grpc ?? "native");
    return known && more.length === 0 && isValid ? { name, flags: values } : undefined;
  } catch {
    return undefined;
  }
}

const parsed = readArguments();
if (parsed === undefined) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  const { flags, name } = parsed;
  // The processes of the nodes read it.
  if (flags.grpc !== undefined) process.env["CARILLON_GRPC_SERVER"] = flags.grpc;
  for (const [each, benchmark] of BENCHMARKS) {
    if (name === "all" || name === each) await run(each, benchmark, flags);
  }
  // CI runs all benchmarks once, at toy size.
  if (name === "micro" || (name === "all" && flags.toy === true)) await runMicro(flags.toy === true);
}
