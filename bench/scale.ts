import { carillon } from "./support/carillon.js";
import { type Contender, withContenders } from "./support/contender.js";
import { FAULTS_HEAD, faultsText } from "./support/counts.js";
import { measureNet, type NetCost } from "./support/net-cost.js";
import { rawSockets } from "./support/peers.js";
import { race } from "./support/race.js";
import { Random } from "./support/random.js";
import type { Bar, Benchmark, Part } from "./support/report.js";
import { allBusy, amongOthers, oneTopic, type Scale } from "./support/scales.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;

interface Found {
  readonly scales: readonly Scale[];
  readonly results: readonly (readonly NetCost[])[];
  /** The same of raw sockets with a prebuilt frame; empty where they were not in the race. */
  readonly floor: readonly (readonly NetCost[])[];
}

/** What a delivery costs where there are more sessions, and where there are more topics. */
export const scale: Benchmark = async ({ rounds, toy }) => {
  const by = toy ? 100 : 1;
  const random = new Random(3);
  const sessions = toy ? 100 : 1_000;
  const bySessions = await measure(
    [100, 1_000, 5_000, 15_000].map((count) => oneTopic(Math.max(5, count / by))),
    rounds,
    toy,
    rawSockets,
  );
  const byTopics = await measure(
    [1, 100, 10_000, 100_000].map((count) => amongOthers(sessions, Math.max(1, count / by))),
    rounds,
    toy,
  );
  const busy = await measure(
    [100, 10_000, 100_000].map((count) => allBusy(sessions, Math.max(100, count / by), random)),
    rounds,
    toy,
  );
  return {
    how: `One message of ${BYTES} B to every session a turn. Net is without what it costs to take the publishes, measured in the same round where nobody hears them.`,
    parts: [bySessions, byTopics, busy].map(partOf),
    bars: [
      barOf("sessions", bySessions.results),
      besideFloor(bySessions),
      barOf("topics on the node", byTopics.results),
      barOf("busy topics", busy.results),
    ],
  };
};

async function measure(
  scales: readonly Scale[],
  rounds: number,
  toy: boolean,
  floor?: () => Promise<Contender>,
): Promise<Found> {
  const ours = scales.map(
    ({ setting }) =>
      () =>
        carillon({ name: setting }),
  );
  const peers = floor === undefined ? [] : scales.map(() => floor);
  const results = await withContenders([...ours, ...peers], async (contenders) => {
    const scaleOf = new Map<Contender, Scale | undefined>(
      contenders.map((one, position) => [one, scales[position % scales.length]]),
    );
    for (const contender of contenders) await contender.connect(scaleOf.get(contender)?.hellos ?? []);
    return race("scale", rounds, contenders, (contender) => {
      const { members = 0, topics = () => [] } = scaleOf.get(contender) ?? {};
      const turns = { topics, members: () => members, bytes: BYTES, milliseconds: toy ? 0 : 1_000, atLeast: 5 };
      return measureNet(contender, turns);
    });
  });
  return { scales, results: results.slice(0, scales.length), floor: results.slice(scales.length) };
}

function partOf({ floor, results, scales }: Found): Part {
  const withFloor = floor.length > 0;
  return {
    head: [
      "setting",
      "CPU µs a delivery, net",
      "all",
      ...(withFloor ? ["raw sockets, net", "beside them"] : []),
      FAULTS_HEAD,
    ],
    rows: scales.map(({ setting }, position) => {
      const rounds = results[position] ?? [];
      const raw = floor[position] ?? [];
      const beside = median(netsOf(rounds)) / median(netsOf(raw));
      return [
        setting,
        spread(netsOf(rounds), 2),
        spread(
          rounds.map(({ cpu }) => cpu),
          2,
        ),
        ...(withFloor ? [spread(netsOf(raw), 2), `${beside.toFixed(2)} ×`] : []),
        faultsText([...rounds, ...raw].map(({ faults }) => faults)),
      ];
    }),
  };
}

function netsOf(rounds: readonly NetCost[]): number[] {
  return rounds.map(({ net }) => net);
}

/** How far the dearest is from the cheapest. */
function barOf(what: string, results: Found["results"]): Bar {
  return spreadBar(
    `spread of the net cost over ${what}`,
    results.map((rounds) => median(netsOf(rounds))),
  );
}

/** The same of the ratio to raw sockets: what of the growth is Carillon's own. */
function besideFloor({ floor, results }: Found): Bar {
  return spreadBar(
    "spread of the ratio to raw sockets over sessions",
    results.map((rounds, position) => median(netsOf(rounds)) / median(netsOf(floor[position] ?? []))),
  );
}

function spreadBar(what: string, values: readonly number[]): Bar {
  const found = (Math.max(...values) / Math.min(...values) - 1) * 100;
  return { what, limit: 15, found, unit: "%", digits: 0 };
}
