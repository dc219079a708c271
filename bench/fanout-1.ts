import { carillon } from "./support/carillon.js";
import { withContenders } from "./support/contender.js";
import { measureFanOut } from "./support/fan-out.js";
import { cpuOf, fanOutTable } from "./support/fan-out-table.js";
import { joinText } from "./support/payload.js";
import { rawSockets, socketIo, wsLoop } from "./support/peers.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";

const BYTES = 100;

/**
 * Measures one topic with one message per turn. The server joins Socket.IO's clients, which only open the connection.
 */
export const fanout1: Benchmark = ({ profiles, rounds, toy }) => {
  const sessions = toy ? 20 : 1_000;
  const turns = {
    topics: () => [0],
    members: () => sessions,
    bytes: BYTES,
    milliseconds: toy ? 0 : 1_500,
    atLeast: toy ? 3 : 20,
  };
  return withContenders([() => carillon({ profiles }), wsLoop, rawSockets, socketIo], async (contenders) => {
    for (const contender of contenders) {
      const hello = contender.name === "Socket.IO room" ? "40" : joinText([0]);
      await contender.connect(Array.from({ length: sessions }, () => hello));
    }
    const results = await race("fanout-1", rounds, contenders, (contender) => measureFanOut(contender, turns));
    const [ours, loop = [], raw] = results;
    const lines = contenders.map(({ name }, position) => ({ name, results: results[position] ?? [], beside: loop }));
    return {
      how: `1 topic, ${sessions} sessions, one message of ${BYTES} B per turn.`,
      parts: [fanOutTable(undefined, "ws loop", lines)],
      bars: [
        { what: "CPU per delivery vs ws loop", limit: 0.75, found: cpuOf(ours) / cpuOf(loop), unit: "×" },
        { what: "CPU per delivery vs raw sockets", limit: 1.15, found: cpuOf(ours) / cpuOf(raw), unit: "×" },
      ],
    };
  });
};
