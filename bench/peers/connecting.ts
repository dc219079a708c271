import { withContenders } from "../support/contender.js";
import { FAULTS_HEAD, formatFaults } from "../support/counts.js";
import { race } from "../support/race.js";
import type { Options } from "../support/report.js";
import { measureStorm } from "../support/storm.js";
import { median, spread } from "../support/table.js";
import { beginAll, type Field } from "./field.js";
import { ratio, type Section } from "./section.js";

/** Number of concurrent handshakes. */
const CONCURRENCY = 256;

/** Measures clients that connect and join a topic. */
export function measureConnects(field: Field, { profiles, rounds, toy }: Options): Promise<Section> {
  const clients = toy ? 100 : 5_000;
  return withContenders(beginAll(field, { profiles }), async (contenders) => {
    const results = await race("peers: connecting", rounds, contenders, (contender) => {
      const hellos = Array.from({ length: clients }, () => contender.join([0]));
      return measureStorm(contender, hellos, CONCURRENCY);
    });
    const cpus = results.map((measured) => measured.map(({ cpu }) => cpu));
    const peer = median(cpus[contenders.findIndex(({ name }) => name === "Centrifugo")] ?? []);
    const rows = contenders.map(({ name }, position) => {
      const measured = results[position] ?? [];
      const one = cpus[position] ?? [];
      const perSecond = measured.map((storm) => storm.perSecond);
      const faults = formatFaults(measured.map((storm) => storm.faults));
      return [name, spread(one, 0), ratio(median(one), peer), spread(perSecond, 0), faults];
    });
    const head = ["server", "CPU µs per connection", "vs Centrifugo", "connections/s", FAULTS_HEAD];
    const text = `**Connecting** and joining a topic, ${clients} clients, ${CONCURRENCY} at a time; then one message to all.`;
    return { parts: [{ text, head, rows }], bars: [] };
  });
}
