import { type Contender, withContenders } from "../support/contender.js";
import { FAULTS_HEAD, formatFaults } from "../support/counts.js";
import { measureCapacity, measurePaced, type Pace, type Paced } from "../support/open-loop.js";
import { progress } from "../support/progress.js";
import { race } from "../support/race.js";
import type { Bar, Options } from "../support/report.js";
import { median, spread } from "../support/table.js";
import { beginAll, type Field } from "./field.js";
import { ratio, ratioBars, type Section } from "./section.js";

const BYTES = 100;
const SHARES = [0.25, 0.5, 0.75];
/** Messages a second of the line with a fixed rate. */
const FIXED = 100;
const P50 = 0.5;
const P99 = 0.99;

type Medians = ReadonlyMap<string, number>;

interface PacedWithCpu extends Paced {
  /** CPU time of the server per delivery, in microseconds. */
  readonly cpu: number;
}

/** Measures the time from publish to receive at steady rates, the same for all servers. */
export function measureLatency(field: Field, { profiles, rounds, toy }: Options): Promise<Section> {
  const sessions = toy ? 20 : 200;
  const pace = { topic: 0, sessions, bytes: BYTES, perTurn: 1, milliseconds: toy ? 100 : 4_000 };
  return withContenders(beginAll(field, { profiles }), async (contenders) => {
    const capacities: number[] = [];
    for (const contender of contenders) {
      await contender.connect(Array.from({ length: sessions }, () => contender.join([0])));
      progress(`peers: capacity of ${contender.name}`);
      // The first measurement is a warm-up.
      await measureCapacity(contender, { ...pace, milliseconds: pace.milliseconds / 2 });
      capacities.push(await measureCapacity(contender, { ...pace, milliseconds: pace.milliseconds / 2 }));
    }
    const least = Math.min(...capacities);
    const rates = [
      { name: `${FIXED} a second`, rate: FIXED, limits: { Centrifugo: 1.1 } },
      ...SHARES.map((share) => ({ name: `${share * 100} % of capacity`, rate: least * share, limits: {} })),
    ];
    const rows: (readonly string[])[] = [];
    const bars: Bar[] = [];
    for (const { limits, name, rate } of rates) {
      const results = await race(`peers: latency, ${name}`, rounds, contenders, (contender) =>
        measureWithCpu(contender, { ...pace, rate }),
      );
      const medians = (share: number): Medians =>
        new Map(contenders.map((one, at) => [one.name, median(milliseconds(results[at] ?? [], share))]));
      const [middles, lasts] = [medians(P50), medians(P99)];
      for (const [at, contender] of contenders.entries()) {
        const measured = results[at] ?? [];
        rows.push([
          name,
          contender.name,
          rate.toFixed(0),
          spread(milliseconds(measured, P50), 2),
          spread(milliseconds(measured, P99), 2),
          [middles, lasts].map((each) => besides(each, contender.name)).join(", "),
          spread(
            measured.map(({ cpu }) => cpu),
            2,
          ),
          formatFaults(measured.map(({ faults }) => faults)),
        ]);
      }
      bars.push(...ratioBars(`p99, ${name} to ${sessions} subscribers`, lasts, limits));
    }
    const found = contenders.map((contender, at) => `${contender.name} ${capacities[at]?.toFixed(0)}`).join(", ");
    const text = `**Latency** from publish to receive, ${sessions} subscribers, at rates that do not depend on the servers. Capacity in messages a second: ${found}; shares are those of the smaller one.`;
    const head = ["rate", "server", "messages/s", "p50 ms", "p99 ms", "vs Centrifugo", "CPU µs each", FAULTS_HEAD];
    return { parts: [{ text, head, rows }], bars };
  });
}

async function measureWithCpu(contender: Contender, pace: Pace): Promise<PacedWithCpu> {
  const begin = await contender.server.cpu();
  const paced = await measurePaced(contender, pace);
  return { ...paced, cpu: ((await contender.server.cpu()) - begin) / paced.latency.count };
}

function besides(medians: Medians, name: string): string {
  return ratio(medians.get(name) ?? Number.NaN, medians.get("Centrifugo") ?? Number.NaN);
}

function milliseconds(measured: readonly Paced[], share: number): number[] {
  return measured.map(({ latency }) => latency.percentile(share) / 1_000);
}
