import { carillon } from "./support/carillon.js";
import { type Contender, withContenders } from "./support/contender.js";
import { FAULTS_HEAD, formatFaults } from "./support/counts.js";
import { measureNet, type NetCost } from "./support/net-cost.js";
import { race } from "./support/race.js";
import { Random } from "./support/random.js";
import type { Bar, Benchmark, Part } from "./support/report.js";
import { allBusy, amongOthers, oneTopic, type Scale } from "./support/scales.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;

interface Found {
  readonly scales: readonly Scale[];
  readonly results: readonly (readonly NetCost[])[];
}

/** Measures how the cost of a delivery depends on the numbers of sessions and topics. */
export const scale: Benchmark = async ({ rounds, toy }) => {
  const by = toy ? 100 : 1;
  // The smallest and the largest are enough at toy size, where most of the time is the start of a node for each.
  const select = (counts: readonly number[]): readonly number[] =>
    toy ? [counts[0] ?? 0, counts.at(-1) ?? 0] : counts;
  const random = new Random(3);
  const sessions = toy ? 100 : 1_000;
  const bySessions = await measure(
    select([100, 1_000, 5_000, 15_000]).map((count) => oneTopic(Math.max(5, count / by))),
    rounds,
    toy,
  );
  const byTopics = await measure(
    select([1, 100, 10_000, 100_000]).map((count) => amongOthers(sessions, Math.max(1, count / by))),
    rounds,
    toy,
  );
  const busy = await measure(
    select([100, 10_000, 100_000]).map((count) => allBusy(sessions, Math.max(100, count / by), random)),
    rounds,
    toy,
  );
  return {
    how: `One message of ${BYTES} B to every session per turn. Net excludes the cost of the publishes, measured in the same round without subscribers.`,
    parts: [bySessions, byTopics, busy].map(partOf),
    bars: [barOf("sessions", bySessions), barOf("topics on the node", byTopics), barOf("busy topics", busy)],
  };
};

async function measure(scales: readonly Scale[], rounds: number, toy: boolean): Promise<Found> {
  const begin = scales.map(
    ({ setting }) =>
      () =>
        carillon({ name: setting }),
  );
  const results = await withContenders(begin, async (contenders) => {
    for (const [position, contender] of contenders.entries()) await contender.connect(scales[position]?.hellos ?? []);
    const scaleOf = new Map<Contender, Scale | undefined>(contenders.map((one, position) => [one, scales[position]]));
    return race("scale", rounds, contenders, (contender) => {
      const { members = 0, topics = () => [] } = scaleOf.get(contender) ?? {};
      const turns = { topics, members: () => members, bytes: BYTES, milliseconds: toy ? 0 : 1_000, atLeast: 5 };
      return measureNet(contender, turns);
    });
  });
  return { scales, results };
}

function partOf({ results, scales }: Found): Part {
  return {
    head: ["setting", "CPU µs per delivery, net", "total", FAULTS_HEAD],
    rows: scales.map(({ setting }, position) => {
      const rounds = results[position] ?? [];
      return [
        setting,
        spread(
          rounds.map(({ net }) => net),
          2,
        ),
        spread(
          rounds.map(({ cpu }) => cpu),
          2,
        ),
        formatFaults(rounds.map(({ faults }) => faults)),
      ];
    }),
  };
}

/** Compares the largest net cost with the smallest. */
function barOf(what: string, { results }: Found): Bar {
  const nets = results.map((rounds) => median(rounds.map(({ net }) => net)));
  const found = (Math.max(...nets) / Math.min(...nets) - 1) * 100;
  return { what: `spread of the net cost over ${what}`, limit: 15, found, unit: "%", digits: 0 };
}
