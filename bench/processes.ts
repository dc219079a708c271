import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeContender } from "./support/carillon.js";
import { Child } from "./support/child.js";
import { type Contender, withContenders } from "./support/contender.js";
import { countFaults, FAULTS_HEAD, type Faults, formatFaults } from "./support/counts.js";
import { startNats } from "./support/nats.js";
import { joinText } from "./support/payload.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;
/** Messages of each turn. */
const BURST = 16;
const COUNTS = [1, 2] as const;
/** Least gain of the second process, as deliveries that the CPU time of two cores allows. */
const MIN_GAIN = 1.7;
/** Shortest duration of a measurement. */
const MILLISECONDS = 3_000;

interface Measured {
  readonly perSecond: number;
  /** Time from a publish to the arrival of the turn at all clients, in milliseconds; the 99th percentile. */
  readonly p99: number;
  /** CPU time of all processes per delivery, in microseconds. */
  readonly cpu: number;
  /** Resident memory of all processes, in bytes. */
  readonly resident: number;
  readonly faults: Faults;
}

/** Measures fan-out with one process and with two, behind the same port. */
export const processes: Benchmark = async ({ rounds, toy }) => {
  const sessions = toy ? 20 : 2_000;
  const folder = mkdtempSync(join(tmpdir(), "carillon-bench-"));
  const nats = await startNats(["-js", "-sd", folder]);
  try {
    const begin = COUNTS.map((count) => () => startProcesses(count, nats.url));
    return await withContenders(begin, async (contenders) => {
      for (const contender of contenders) {
        await contender.connect(Array.from({ length: sessions }, () => joinText([0])));
      }
      const results = await race("processes", rounds, contenders, (contender) => measure(contender, sessions, toy));
      const [one = 0, two = 0] = COUNTS.map((_, position) => median((results[position] ?? []).map(({ cpu }) => cpu)));
      return {
        how: `1 topic, ${sessions} sessions, ${BURST} messages of ${BYTES} B per turn, through NATS. CPU and memory are those of all processes. The load runs on the same cores, so deliveries/s have no bar on a small machine: the bar compares how many deliveries the processes' CPU time allows, each with a core of its own.`,
        parts: [
          {
            head: ["processes", "deliveries/s", "p99 of a turn, ms", "CPU µs per delivery", "memory, MiB", FAULTS_HEAD],
            rows: COUNTS.map((count, position) => {
              const found = results[position] ?? [];
              return [
                String(count),
                spread(
                  found.map(({ perSecond }) => perSecond),
                  0,
                ),
                spread(
                  found.map(({ p99 }) => p99),
                  1,
                ),
                spread(
                  found.map(({ cpu }) => cpu),
                  2,
                ),
                spread(
                  found.map(({ resident }) => resident / 1_024 ** 2),
                  0,
                ),
                formatFaults(found.map(({ faults }) => faults)),
              ];
            }),
          },
        ],
        bars: [
          {
            what: `CPU per delivery, 2 processes vs 1; at most 2 / ${MIN_GAIN}, so that two cores deliver ${MIN_GAIN} × as much`,
            limit: COUNTS.length / MIN_GAIN,
            found: two / one,
            unit: "×",
            digits: 2,
          },
        ],
      };
    });
  } finally {
    nats.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

async function startProcesses(count: number, nats: string): Promise<Contender> {
  const child = new Child("servers/processes.js");
  const addresses = await child.ask<{ readonly port: number; readonly grpc: string }>("start", {
    nats,
    processes: count,
  });
  const server = {
    cpu: () => child.cpu(),
    writes: () => child.writes(),
    memory: () => child.memory(),
    // Ends its own processes first.
    stop: async () => {
      await child.ask("end").catch(() => {});
    },
  };
  return nodeContender(String(count), { child: server as unknown as Child, ...addresses }, {});
}

async function measure(contender: Contender, sessions: number, toy: boolean): Promise<Measured> {
  const { load, server } = contender;
  const topics = Array.from({ length: BURST }, () => 0);
  const before = await load.counts();
  const begin = { cpu: await server.cpu(), time: performance.now() };
  const times: number[] = [];
  let expected = before.received;
  const least = toy ? 0 : MILLISECONDS;
  while (times.length < 5 || performance.now() - begin.time < least) {
    const start = performance.now();
    expected += BURST * sessions;
    await contender.publish(topics, BYTES);
    await load.arrived(expected);
    times.push(performance.now() - start);
  }
  const milliseconds = performance.now() - begin.time;
  const deliveries = expected - before.received;
  const cpu = ((await server.cpu()) - begin.cpu) / deliveries;
  const { resident } = await server.memory();
  times.sort((one, other) => one - other);
  return {
    perSecond: (deliveries / milliseconds) * 1_000,
    p99: times[Math.ceil(times.length * 0.99) - 1] ?? 0,
    cpu,
    resident,
    faults: countFaults(before, await load.counts(), deliveries),
  };
}
