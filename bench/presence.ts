import { FAULTS_HEAD } from "./support/counts.js";
import { type JoinStorm, PresencePair } from "./support/presence.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { median, spread } from "./support/table.js";

/** What a join may cost more where many are there already. */
const LIMIT = 1.25;
/** Changes for each 100 ms, and one at either end. */
const CHANGES_LIMIT = 1;

/** A crowd joins one topic at once: what that costs the node, another one, and whether it depends on who is there. */
export const presence: Benchmark = async ({ rounds, toy }) => {
  const joins = toy ? 300 : 10_000;
  const sizes = toy ? [0, 300] : [0, 10_000, 50_000];
  const pairs: PresencePair[] = [];
  try {
    for (const size of sizes) pairs.push(await PresencePair.start(size));
    const results = await race("presence", rounds, pairs, (pair) => pair.storm(joins));
    const [none = []] = results;
    const most = results.at(-1) ?? [];
    return {
      how: `${joins.toLocaleString("en")} members join a topic at one of two nodes as fast as it takes them, beside so many that are there; somebody at each node watches. CPU is user and system time of each node, for each that joins.`,
      parts: [
        {
          head: [
            "there before",
            "CPU µs, joining node",
            "CPU µs, other node",
            "all told after ms",
            "changes told",
            FAULTS_HEAD,
          ],
          rows: pairs.map(({ name }, position) => rowOf(name, results[position] ?? [], joins)),
        },
      ],
      bars: [
        bar("CPU a join, most members beside none: joining node", none, most, ({ joining }) => joining),
        bar("CPU a join, most members beside none: other node", none, most, ({ hearing }) => hearing),
        {
          what: "changes told to a watcher each 100 ms, most members",
          limit: CHANGES_LIMIT,
          found: Math.max(...most.map(({ seen, time }) => (seen.changes - 2) / (time / 100))),
          unit: "",
        },
      ],
    };
  } finally {
    await Promise.all(pairs.map((pair) => pair.stop()));
  }
};

function bar(what: string, none: readonly JoinStorm[], most: readonly JoinStorm[], cpu: (storm: JoinStorm) => number) {
  return { what, limit: LIMIT, found: median(most.map(cpu)) / median(none.map(cpu)), unit: "×" };
}

function sum(figures: readonly number[]): number {
  return figures.reduce((total, figure) => total + figure, 0);
}

function rowOf(name: string, storms: readonly JoinStorm[], joins: number): string[] {
  const of = (pick: (storm: JoinStorm) => number): number[] => storms.map(pick);
  const lost = sum(of(({ seen }) => joins - seen.joined));
  // No order is promised between members.
  const faults = `${lost}, ${sum(of(({ seen }) => seen.duplicated))}, 0`;
  return [
    name,
    spread(
      of(({ joining }) => joining),
      1,
    ),
    spread(
      of(({ hearing }) => hearing),
      1,
    ),
    spread(
      of(({ time }) => time),
      0,
    ),
    spread(
      of(({ seen }) => seen.changes),
      0,
    ),
    faults,
  ];
}
