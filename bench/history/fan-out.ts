import { measureFanOut } from "../support/fan-out.js";
import { cpuOf, fanOutTable, type Line } from "../support/fan-out-table.js";
import { joinText } from "../support/payload.js";
import { race } from "../support/race.js";
import type { Bar, Options, Part } from "../support/report.js";
import { type HistorySetting, PLAIN_TOPIC, STORED_TOPIC } from "./setting.js";

const BYTES = 100;
const LIMIT = 1.15;

/** Measures the fan-out of both kinds of topics to the same sessions. */
export async function measureStoredFanOut(
  { contender }: HistorySetting,
  { rounds, toy }: Options,
): Promise<{ readonly part: Part; readonly bars: readonly Bar[] }> {
  const sessions = toy ? 20 : 1_000;
  await contender.connect(Array.from({ length: sessions }, () => joinText([PLAIN_TOPIC, STORED_TOPIC])));
  const kinds = [
    { name: "without history", topic: PLAIN_TOPIC },
    { name: "with history", topic: STORED_TOPIC },
  ];
  const lines: Line[] = [];
  const bars: Bar[] = [];
  for (const messages of [1, 16, 64]) {
    const results = await race(`history: ${messages} per turn`, rounds, kinds, ({ topic }) => {
      const turn = Array.from({ length: messages }, () => topic);
      return measureFanOut(contender, {
        topics: () => turn,
        members: () => sessions,
        bytes: BYTES,
        milliseconds: toy ? 0 : 1_500,
        atLeast: 3,
      });
    });
    const [plain = [], stored = []] = results;
    for (const [position, { name }] of kinds.entries()) {
      lines.push({ setting: String(messages), name, results: results[position] ?? [], beside: plain });
    }
    const found = cpuOf(stored) / cpuOf(plain);
    bars.push({ what: `CPU per delivery vs without history, ${messages} per turn`, limit: LIMIT, found, unit: "×" });
  }
  return { part: fanOutTable("messages per turn", "without history", lines), bars };
}
