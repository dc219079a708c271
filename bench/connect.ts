import { carillon } from "./support/carillon.js";
import { withContenders } from "./support/contender.js";
import { FAULTS_HEAD, formatFaults } from "./support/counts.js";
import { joinText } from "./support/payload.js";
import { wsLoop } from "./support/peers.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { measureStorm } from "./support/storm.js";
import { median, spread } from "./support/table.js";

/** Number of concurrent handshakes. */
const CONCURRENCY = 256;

/** Measures a burst of clients that connect and join. */
export const connect: Benchmark = ({ profiles, rounds, toy }) => {
  const clients = toy ? 100 : 5_000;
  const hellos = Array.from({ length: clients }, () => joinText([0]));
  return withContenders([() => carillon({ profiles }), () => wsLoop()], async (contenders) => {
    const results = await race("connect", rounds, contenders, (contender) =>
      measureStorm(contender, hellos, CONCURRENCY),
    );
    const cpus = results.map((measured) => measured.map(({ cpu }) => cpu));
    const [ours = Number.NaN, bare = Number.NaN] = cpus.map(median);
    const rows = contenders.map(({ name }, position) => {
      const measured = results[position] ?? [];
      const figure = median(cpus[position] ?? []);
      return [
        name === "carillon" ? name : "bare ws",
        spread(cpus[position] ?? [], 0),
        `${(figure / bare).toFixed(2)} ×`,
        spread(
          measured.map(({ perSecond }) => perSecond),
          0,
        ),
        formatFaults(measured.map(({ faults }) => faults)),
      ];
    });
    return {
      how: `${clients} handshakes with a join each, ${CONCURRENCY} at a time; then one message to all. CPU is the server's for handshake and join.`,
      parts: [{ head: ["server", "CPU µs per connection", "vs ws", "connections/s", FAULTS_HEAD], rows }],
      bars: [{ what: "CPU per connection vs bare ws", limit: 1.3, found: ours / bare, unit: "×" }],
    };
  });
};
