import { carillon } from "./support/carillon.js";
import { type Contender, withContenders } from "./support/contender.js";
import { FAULTS_HEAD, formatFaults } from "./support/counts.js";
import { measureNet, type NetCost } from "./support/net-cost.js";
import { startPeer } from "./support/peers.js";
import { race } from "./support/race.js";
import { Random } from "./support/random.js";
import type { Bar, Benchmark, Part } from "./support/report.js";
import { allBusy, amongOthers, oneTopic, type Scale } from "./support/scales.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;

/** Server at one of its scales. */
interface Run {
  readonly scale: Scale;
  readonly begin: (name: string) => Promise<Contender>;
}

interface Found {
  readonly runs: readonly Run[];
  readonly results: readonly (readonly NetCost[])[];
}

const startCarillon: Run["begin"] = (name) => carillon({ name });
const startRaw: Run["begin"] = (name) => startPeer({ name, script: "raw" });

/** Measures how the cost of a delivery depends on the numbers of sessions and topics. */
export const scale: Benchmark = async ({ rounds, toy }) => {
  const by = toy ? 100 : 1;
  // The smallest and the largest are enough at toy size, where most of the time is the start of a node for each.
  const select = (counts: readonly number[]): readonly number[] =>
    toy ? [counts[0] ?? 0, counts.at(-1) ?? 0] : counts;
  const random = new Random(3);
  const sessions = toy ? 100 : 1_000;
  const sizes = select([100, 1_000, 5_000, 15_000]).map((count) => oneTopic(Math.max(5, count / by)));
  const raw = sizes.map((size) => ({ ...size, setting: `${size.setting}, raw sockets` }));
  const both = await measure([...runsOf(sizes), ...runsOf(raw, startRaw)], rounds, toy);
  const bySessions = pick(both, startCarillon);
  const byTopics = await measure(
    runsOf(select([1, 100, 10_000, 100_000]).map((count) => amongOthers(sessions, Math.max(1, count / by)))),
    rounds,
    toy,
  );
  const busy = await measure(
    runsOf(select([100, 10_000, 100_000]).map((count) => allBusy(sessions, Math.max(100, count / by), random))),
    rounds,
    toy,
  );
  return {
    how: `One message of ${BYTES} B to every session per turn. Net excludes the cost of the publishes, measured in the same round without subscribers.`,
    parts: [both, byTopics, busy].map(partOf),
    bars: [
      barOf("sessions", bySessions, 25),
      {
        what: "growth over sessions vs raw sockets",
        limit: 1.1,
        found: growthOf(bySessions) / growthOf(pick(both, startRaw)),
        unit: "×",
      },
      barOf("topics on the node", byTopics, 15),
      barOf("busy topics", busy, 15),
    ],
  };
};

function runsOf(scales: readonly Scale[], begin = startCarillon): Run[] {
  return scales.map((each) => ({ scale: each, begin }));
}

/** Selects the results of one kind of server. */
function pick({ results, runs }: Found, begin: Run["begin"]): Found {
  const isPicked = (_: unknown, position: number): boolean => runs[position]?.begin === begin;
  return { runs: runs.filter(isPicked), results: results.filter(isPicked) };
}

async function measure(runs: readonly Run[], rounds: number, toy: boolean): Promise<Found> {
  const begin = runs.map(
    ({ begin: start, scale: { setting } }) =>
      () =>
        start(setting),
  );
  const results = await withContenders(begin, async (contenders) => {
    for (const [position, contender] of contenders.entries()) {
      await contender.connect(runs[position]?.scale.hellos ?? []);
    }
    const scaleOf = new Map<Contender, Scale | undefined>(
      contenders.map((one, position) => [one, runs[position]?.scale]),
    );
    return race("scale", rounds, contenders, (contender) => {
      const { members = 0, topics = () => [] } = scaleOf.get(contender) ?? {};
      const turns = { topics, members: () => members, bytes: BYTES, milliseconds: toy ? 0 : 1_000, atLeast: 5 };
      return measureNet(contender, turns);
    });
  });
  return { runs, results };
}

function partOf({ results, runs }: Found): Part {
  return {
    head: ["setting", "CPU µs per delivery, net", "total", FAULTS_HEAD],
    rows: runs.map(({ scale: { setting } }, position) => {
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

/** Compares the largest net cost with the smallest. @param limit - in percent */
function barOf(what: string, found: Found, limit: number): Bar {
  const growth = (growthOf(found) - 1) * 100;
  return { what: `spread of the net cost over ${what}`, limit, found: growth, unit: "%", digits: 0 };
}

/** Returns the largest net cost relative to the smallest. */
function growthOf({ results }: Found): number {
  const nets = results.map((rounds) => median(rounds.map(({ net }) => net)));
  return Math.max(...nets) / Math.min(...nets);
}
