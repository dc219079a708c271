import { carillon } from "./support/carillon.js";
import { type Contender, withContenders } from "./support/contender.js";
import { FAULTS_HEAD, formatFaults } from "./support/counts.js";
import { measureCapacity, measurePaced, type Paced } from "./support/open-loop.js";
import { joinText } from "./support/payload.js";
import { wsLoop } from "./support/peers.js";
import { progress } from "./support/progress.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;
const PERCENTILES = [0.5, 0.99, 0.999] as const;

/**
 * Measures the time from publish to receive at half of the slower server's measureCapacity, so that both run at the
 * same rate.
 */
export const latency: Benchmark = ({ profiles, rounds, toy }) => {
  const sessions = toy ? 20 : 1_000;
  const pace = { topic: 0, sessions, bytes: BYTES, perTurn: 1, milliseconds: toy ? 100 : 4_000 };
  return withContenders([() => carillon({ profiles }), () => wsLoop()], async (contenders) => {
    const capacities: number[] = [];
    for (const contender of contenders) {
      await contender.connect(Array.from({ length: sessions }, () => joinText([0])));
      progress(`latency: capacity of ${contender.name}`);
      // The first measurement is a warm-up.
      await measureCapacity(contender, { ...pace, milliseconds: pace.milliseconds / 2 });
      capacities.push(await measureCapacity(contender, { ...pace, milliseconds: pace.milliseconds / 2 }));
    }
    const same = Math.min(...capacities) / 2;
    const [first, second] = contenders as [Contender, Contender];
    const runs = [
      { name: `carillon, ${same.toFixed(0)}/s`, contender: first, rate: same },
      { name: `ws send loop, ${same.toFixed(0)}/s`, contender: second, rate: same },
      { name: `carillon, half of its capacity`, contender: first, rate: (capacities[0] ?? 0) / 2 },
    ];
    const results = await race("latency", rounds, runs, ({ contender, rate }) =>
      measurePaced(contender, { ...pace, rate }),
    );
    const [ours = [], loop = []] = results;
    const rows = runs.map(({ name, rate }, position) => {
      const measured = results[position] ?? [];
      const times = PERCENTILES.map((share) => spread(milliseconds(measured, share), 2));
      return [name, rate.toFixed(0), ...times, formatFaults(measured.map(({ faults }) => faults))];
    });
    const found = median(milliseconds(ours, 0.99)) / median(milliseconds(loop, 0.99));
    return {
      how: `1 topic, ${sessions} sessions, messages of ${BYTES} B at a steady rate. Capacity in messages a second: carillon ${capacities[0]?.toFixed(0)}, ws send loop ${capacities[1]?.toFixed(0)}. Times are from the publisher's process to the receivers'.`,
      parts: [{ head: ["server", "messages/s", "p50 ms", "p99 ms", "p99.9 ms", FAULTS_HEAD], rows }],
      bars: [{ what: "p99 vs ws loop at the same rate", limit: 2, found, unit: "×" }],
    };
  });
};

function milliseconds(measured: readonly Paced[], share: number): number[] {
  return measured.map(({ latency: times }) => times.percentile(share) / 1_000);
}
