import { FAULTS_HEAD } from "./support/counts.js";
import { type JoinStorm, PresencePair } from "./support/presence.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { median, spread } from "./support/table.js";

/** Largest ratio of the cost of a join to a large topic to that of a join to an empty one. */
const LIMIT = 1.25;
/** Maximum number of notifications per 100 ms, besides the first and the last. */
const CHANGES_LIMIT = 1;

/** Measures many members that join one topic at once: the cost for the node and for another node, by number of members before. */
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
      how: `${joins.toLocaleString("en")} members join a topic at one of two nodes as fast as it accepts them, with a number of members before; each node has a watcher. CPU is user and system time of each node per join.`,
      parts: [
        {
          head: [
            "members before",
            "CPU µs, joining node",
            "CPU µs, other node",
            "complete after ms",
            "notifications",
            FAULTS_HEAD,
          ],
          rows: pairs.map(({ name }, position) => rowOf(name, results[position] ?? [], joins)),
        },
      ],
      bars: [
        bar("CPU per join, most members vs none: joining node", none, most, ({ joining }) => joining),
        bar("CPU per join, most members vs none: other node", none, most, ({ watching }) => watching),
        {
          what: "notifications of a watcher per 100 ms, most members",
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
  // The order of members is not guaranteed.
  const faults = `${lost}, ${sum(of(({ seen }) => seen.duplicated))}, 0`;
  return [
    name,
    spread(
      of(({ joining }) => joining),
      1,
    ),
    spread(
      of(({ watching }) => watching),
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
