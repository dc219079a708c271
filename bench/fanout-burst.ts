import { carillon } from "./support/carillon.js";
import { withContenders } from "./support/contender.js";
import { measureFanOut } from "./support/fan-out.js";
import { cpuOf, fanOutTable, type Line } from "./support/fan-out-table.js";
import { joinText } from "./support/payload.js";
import { rawSockets, wsLoop } from "./support/peers.js";
import { race } from "./support/race.js";
import type { Bar, Benchmark } from "./support/report.js";

const BYTES = 100;
/** Limits of the CPU ratio to the ws loop, by messages per turn. */
const BARS: ReadonlyMap<number, number> = new Map([
  [16, 0.08],
  [64, 0.03],
]);

/** Measures one topic with many messages per turn: the benefit of joined writes. */
export const fanoutBurst: Benchmark = ({ profiles, rounds, toy }) => {
  const sessions = toy ? 20 : 1_000;
  return withContenders([() => carillon({ profiles }), wsLoop, rawSockets], async (contenders) => {
    for (const contender of contenders) {
      await contender.connect(Array.from({ length: sessions }, () => joinText([0])));
    }
    const lines: Line[] = [];
    const bars: Bar[] = [];
    for (const [messages, limit] of BARS) {
      const turn = Array.from({ length: messages }, () => 0);
      const turns = {
        topics: () => turn,
        members: () => sessions,
        bytes: BYTES,
        milliseconds: toy ? 0 : 1_500,
        atLeast: 3,
      };
      const what = `fanout-burst: ${messages} per turn`;
      const results = await race(what, rounds, contenders, (contender) => measureFanOut(contender, turns));
      const [ours, loop = []] = results;
      for (const [position, { name }] of contenders.entries()) {
        lines.push({ setting: String(messages), name, results: results[position] ?? [], beside: loop });
      }
      const found = cpuOf(ours) / cpuOf(loop);
      bars.push({ what: `CPU per delivery vs ws loop, ${messages} per turn`, limit, found, unit: "×", digits: 3 });
    }
    return {
      how: `1 topic, ${sessions} sessions, messages of ${BYTES} B.`,
      parts: [fanOutTable("messages per turn", "ws loop", lines)],
      bars,
    };
  });
};
