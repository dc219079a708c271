import { nodeContender, startNode } from "./support/carillon.js";
import { FAULTS_HEAD, formatFaults } from "./support/counts.js";
import type { Pace } from "./support/open-loop.js";
import { race } from "./support/race.js";
import type { Bar, Benchmark } from "./support/report.js";
import { measureStuck, type StuckRun } from "./support/stuck.js";
import { median, spread } from "./support/table.js";

const POLICIES = ["disconnect", "drop_oldest", "latest"] as const;
const OUTBOX = 1024 * 1024;

/** Measures the effect of 1 % of clients that stop reading on the others, for each policy. */
export const slow: Benchmark = async ({ profiles, rounds, toy }) => {
  const sessions = toy ? 20 : 200;
  const stuck = Math.ceil(sessions / 100);
  const rules = POLICIES.map((policy, topic) => ({ match: `t${topic}`, slow_consumer: policy }));
  const config = { limits: { outbox: OUTBOX }, vhosts: { "/": { topics: rules } } };
  const node = await startNode({ config, flags: ["--expose-gc"] });
  const contender = nodeContender("carillon", node, { profiles });
  // The bytes per session exceed the system's buffers and the outbox together.
  const pace = { sessions, bytes: 8_000, rate: 25, perTurn: toy ? 32 : 10, milliseconds: toy ? 1_000 : 3_500 };
  const runs = POLICIES.flatMap((policy, topic) =>
    [0, stuck].map((count) => ({ name: `${policy}, ${count} stuck`, policy, count, pace: { ...pace, topic } })),
  );
  try {
    const results = await race("slow", rounds, runs, (run) => measureStuck(contender, node, run.pace, run.count));
    const rows = runs.map(({ count, policy }, position) => rowOf(policy, count, results[position] ?? []));
    return {
      how: howText(pace, stuck),
      parts: [
        {
          head: ["policy", "stuck", "others' p99 ms", "heap MB", "dropped", "unaccounted", "stuck closed", FAULTS_HEAD],
          rows,
        },
      ],
      bars: POLICIES.flatMap((policy, topic) =>
        barsOf(policy, stuck, results[topic * 2] ?? [], results[topic * 2 + 1] ?? []),
      ),
    };
  } finally {
    await contender.stop();
  }
};

function howText({ bytes, perTurn, rate, sessions }: Omit<Pace, "topic">, stuck: number): string {
  const others = "lost, duplicated and misordered count the other sessions";
  return `${sessions} sessions of which ${stuck} stop reading, ${rate} turns per second of ${perTurn} messages of ${bytes} B, outbox of 1 MiB; ${others}. Unaccounted messages are neither received nor in carillon_drops_total.`;
}

function rowOf(policy: string, count: number, rounds: readonly StuckRun[]): string[] {
  const sum = (pick: (run: StuckRun) => number): string => String(rounds.reduce((all, run) => all + pick(run), 0));
  return [
    policy,
    String(count),
    spread(
      rounds.map(({ p99 }) => p99 / 1_000),
      2,
    ),
    spread(
      rounds.map(({ memory }) => memory.heap / 2 ** 20),
      1,
    ),
    sum(({ dropped }) => dropped),
    sum(({ unaccounted }) => unaccounted),
    sum(({ closed }) => closed),
    formatFaults(rounds.map(({ faults }) => faults)),
  ];
}

function barsOf(policy: string, stuck: number, without: readonly StuckRun[], having: readonly StuckRun[]): Bar[] {
  const grown = (heap(having) - heap(without)) / stuck / OUTBOX;
  const unaccounted = having.reduce((all, run) => all + Math.abs(run.unaccounted), 0);
  return [
    { what: `${policy}: others' p99 vs none stuck`, limit: 1.1, found: p99Of(having) / p99Of(without), unit: "×" },
    { what: `${policy}: memory per stuck session, in outboxes`, limit: 1.1, found: grown, unit: "" },
    { what: `${policy}: messages unaccounted for`, limit: 0, found: unaccounted, unit: "", digits: 0 },
  ];
}

function p99Of(rounds: readonly StuckRun[]): number {
  return median(rounds.map((run) => run.p99));
}

function heap(rounds: readonly StuckRun[]): number {
  return median(rounds.map(({ memory }) => memory.heap));
}
