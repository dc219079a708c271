import { carillon } from "./support/carillon.js";
import { withContenders } from "./support/contender.js";
import { FAULTS_HEAD, faultsText } from "./support/counts.js";
import { joinText } from "./support/payload.js";
import { wsLoop } from "./support/peers.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";
import { measureStorm } from "./support/storm.js";
import { median, spread } from "./support/table.js";

/** Handshakes under way at a time. */
const ABREAST = 256;

/** A storm of clients that connect and join. */
export const connect: Benchmark = ({ profiles, rounds, toy }) => {
  const clients = toy ? 100 : 5_000;
  const hellos = Array.from({ length: clients }, () => joinText([0]));
  return withContenders([() => carillon({ profiles }), () => wsLoop()], async (contenders) => {
    const results = await race("connect", rounds, contenders, (contender) => measureStorm(contender, hellos, ABREAST));
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
        faultsText(measured.map(({ faults }) => faults)),
      ];
    });
    return {
      how: `${clients} handshakes with a join each, ${ABREAST} under way at a time; then one message to all. CPU is the server's for handshake and join.`,
      parts: [{ head: ["server", "CPU µs a connection", "beside ws", "connections/s", FAULTS_HEAD], rows }],
      bars: [{ what: "CPU a connection beside bare ws", limit: 1.3, found: ours / bare, unit: "×" }],
    };
  });
};
