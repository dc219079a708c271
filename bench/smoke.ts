import { carillon } from "./support/carillon.js";
import { withContenders } from "./support/contender.js";
import { measureFanOut } from "./support/fan-out.js";
import { fanOutTable, type Line } from "./support/fan-out-table.js";
import { joinText } from "./support/payload.js";
import { wsLoop } from "./support/peers.js";
import { race } from "./support/race.js";
import type { Benchmark } from "./support/report.js";

const BYTES = 100;

/** Compares one topic with a loop of `ws` sends, with one message per turn and with sixteen. */
export const smoke: Benchmark = ({ profiles, rounds, toy }) => {
  const sessions = toy ? 20 : 1_000;
  return withContenders([() => carillon({ profiles }), wsLoop], async (contenders) => {
    for (const contender of contenders) await contender.connect(Array.from({ length: sessions }, () => joinText([0])));
    const lines: Line[] = [];
    for (const messages of [1, 16]) {
      const turns = {
        topics: () => Array.from({ length: messages }, () => 0),
        members: () => sessions,
        bytes: BYTES,
        milliseconds: toy ? 0 : 1_000,
        atLeast: toy ? 3 : 20,
      };
      const results = await race(`smoke, ${messages} per turn`, rounds, contenders, (contender) =>
        measureFanOut(contender, turns),
      );
      const loop = results[1] ?? [];
      for (const [position, { name }] of contenders.entries()) {
        lines.push({ setting: String(messages), name, results: results[position] ?? [], beside: loop });
      }
    }
    const parts = [fanOutTable("messages per turn", "ws loop", lines)];
    return { how: `1 topic, ${sessions} sessions, messages of ${BYTES} B.`, parts, bars: [] };
  });
};
