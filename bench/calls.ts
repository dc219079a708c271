import type { Called, CallRun } from "./support/call-many.js";
import { Child } from "./support/child.js";
import { Histogram } from "./support/histogram.js";
import { startNats } from "./support/nats.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;
const ABREAST = 64;
const LIMIT = 3;

interface Way {
  readonly name: string;
  readonly asker: Child;
  /** The asker itself where there is one process only. */
  readonly worker: Child;
}

interface Measured {
  /** Microseconds of CPU for each call, of both processes. */
  readonly cpu: number;
  readonly perSecond: number;
  /** Milliseconds, one call at a time. */
  readonly alone: Histogram;
}

/** Calls from one node to a worker of another, beside a request and its reply between two plain NATS clients. */
export const calls: Benchmark = async ({ profiles, rounds, toy }) => {
  const server = await startNats();
  const ways = [
    await pair("bare NATS request-reply", "servers/calls-nats.js", server.url),
    await pair("two nodes", "servers/calls-carillon.js", server.url),
    await alone("one node, memory", "servers/calls-carillon.js"),
  ];
  const processes = [...new Set(ways.flatMap(({ asker, worker }) => [asker, worker]))];
  const profiled =
    profiles === undefined ? [] : [ways[1]?.asker, ways[1]?.worker].filter((child) => child !== undefined);
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
          figures((each) => each.alone.percentile(0.5) / 1_000),
          3,
        ),
        spread(
          figures((each) => each.alone.percentile(0.99) / 1_000),
          3,
        ),
      ];
    });
    return {
      how: `Calls of ${BYTES} B that are answered at once with the same, ${ABREAST} at a time; CPU of both processes. Latency with one call at a time.`,
      parts: [
        {
          head: ["way", "CPU µs a call", "beside NATS", "calls/s", "alone p50 ms", "alone p99 ms"],
          rows,
        },
      ],
      bars: [{ what: "CPU a call beside bare NATS", limit: LIMIT, found: ours / bare, unit: "×" }],
    };
  } finally {
    await Promise.all(processes.map((child) => child.stop()));
    server.stop();
  }
};

async function pair(name: string, script: string, url: string): Promise<Way> {
  const [asker, worker] = [new Child(script), new Child(script)];
  await worker.ask("work", url);
  await asker.ask("start", url);
  return { name, asker, worker };
}

async function alone(name: string, script: string): Promise<Way> {
  const child = new Child(script);
  await child.ask("start", "");
  await child.ask("work", "");
  return { name, asker: child, worker: child };
}

async function measure(way: Way, toy: boolean): Promise<Measured> {
  const run: CallRun = { bytes: BYTES, abreast: ABREAST, atLeast: 100, milliseconds: toy ? 0 : 1_500 };
  const before = await cpuOf(way);
  const many = await way.asker.ask<Called>("run", run);
  const cpu = (await cpuOf(way)) - before;
  const one = await way.asker.ask<Called>("run", { ...run, abreast: 1, milliseconds: toy ? 0 : 500 });
  const wrong = many.wrong + one.wrong;
  // The figures would be those of something else.
  if (wrong > 0) throw new Error(`${way.name}: ${wrong} calls were refused, or not answered with what was sent`);
  return {
    cpu: cpu / many.calls,
    perSecond: (many.calls / many.milliseconds) * 1_000,
    alone: new Histogram(one.latency),
  };
}

async function cpuOf({ asker, worker }: Way): Promise<number> {
  const own = await asker.cpu();
  return worker === asker ? own : own + (await worker.cpu());
}
