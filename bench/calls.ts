import type { Called, CallRun } from "./support/call-many.js";
import { Child } from "./support/child.js";
import { Histogram } from "./support/histogram.js";
import { startNats } from "./support/nats.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;
const CONCURRENCY = 64;
const LIMIT = 3;

interface Way {
  readonly name: string;
  readonly caller: Child;
  /** Equals the caller when both share one process. */
  readonly worker: Child;
}

interface Measured {
  /** CPU time per call of both processes, in microseconds. */
  readonly cpu: number;
  readonly perSecond: number;
  /** Latency with one call at a time, in milliseconds. */
  readonly sequential: Histogram;
}

/** Compares calls from one node to a worker of another with request-reply between two plain NATS clients. */
export const calls: Benchmark = async ({ profiles, rounds, toy }) => {
  const server = await startNats();
  const ways = [
    await startPair("bare NATS request-reply", "servers/calls-nats.js", server.url),
    await startPair("two nodes", "servers/calls-carillon.js", server.url),
    await startSingle("one node, memory", "servers/calls-carillon.js"),
  ];
  const processes = [...new Set(ways.flatMap(({ caller, worker }) => [caller, worker]))];
  const profiled =
    profiles === undefined ? [] : [ways[1]?.caller, ways[1]?.worker].filter((child) => child !== undefined);
  try {
    await Promise.all(profiled.map((child) => child.ask("beginProfile")));
    const results = await race("calls", rounds, ways, (way) => measure(way, toy));
    await Promise.all(profiled.map((child) => child.ask("endProfile", profiles)));
    const cpus = results.map((measured) => measured.map(({ cpu }) => cpu));
    const [bare = 0, ours = 0] = cpus.map(median);
    const rows = ways.map(({ name }, position) => {
      const measured = results[position] ?? [];
      const figures = (figure: (each: Measured) => number): number[] => measured.map(figure);
      return [
        name,
        spread(cpus[position] ?? [], 1),
        `${(median(cpus[position] ?? []) / bare).toFixed(2)} ×`,
        spread(
          figures(({ perSecond }) => perSecond),
          0,
        ),
        spread(
          figures((each) => each.sequential.percentile(0.5) / 1_000),
          3,
        ),
        spread(
          figures((each) => each.sequential.percentile(0.99) / 1_000),
          3,
        ),
      ];
    });
    return {
      how: `Calls of ${BYTES} B, echoed at once, ${CONCURRENCY} at a time; CPU of both processes. Latency with one call at a time.`,
      parts: [
        {
          head: ["way", "CPU µs per call", "vs NATS", "calls/s", "sequential p50 ms", "sequential p99 ms"],
          rows,
        },
      ],
      bars: [{ what: "CPU per call vs bare NATS", limit: LIMIT, found: ours / bare, unit: "×" }],
    };
  } finally {
    await Promise.all(processes.map((child) => child.stop()));
    server.stop();
  }
};

async function startPair(name: string, script: string, url: string): Promise<Way> {
  const [caller, worker] = [new Child(script), new Child(script)];
  await worker.ask("work", url);
  await caller.ask("start", url);
  return { name, caller, worker };
}

async function startSingle(name: string, script: string): Promise<Way> {
  const child = new Child(script);
  await child.ask("start", "");
  await child.ask("work", "");
  return { name, caller: child, worker: child };
}

async function measure(way: Way, toy: boolean): Promise<Measured> {
  const run: CallRun = { bytes: BYTES, concurrency: CONCURRENCY, atLeast: 100, milliseconds: toy ? 0 : 1_500 };
  const before = await cpuOf(way);
  const many = await way.caller.ask<Called>("run", run);
  const cpu = (await cpuOf(way)) - before;
  const one = await way.caller.ask<Called>("run", { ...run, concurrency: 1, milliseconds: toy ? 0 : 500 });
  const wrong = many.wrong + one.wrong;
  // Wrong answers would make the figures meaningless.
  if (wrong > 0) throw new Error(`${way.name}: ${wrong} calls were refused or answered wrongly`);
  return {
    cpu: cpu / many.calls,
    perSecond: (many.calls / many.milliseconds) * 1_000,
    sequential: new Histogram(one.latency),
  };
}

async function cpuOf({ caller, worker }: Way): Promise<number> {
  const own = await caller.cpu();
  return worker === caller ? own : own + (await worker.cpu());
}
