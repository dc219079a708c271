import { carillon } from "./support/carillon.js";
import { withContenders } from "./support/contender.js";
import { type Measured, measureFanOut } from "./support/fan-out.js";
import { cpuOf, fanOutTable } from "./support/fan-out-table.js";
import { joinText } from "./support/payload.js";
import { wsLoop } from "./support/peers.js";
import { race } from "./support/race.js";
import { Random } from "./support/random.js";
import type { Benchmark, Part } from "./support/report.js";
import { median, spread } from "./support/table.js";

const BYTES = 100;
const TOPICS_EACH = 50;

/** Measures sessions in many topics each, with a message in every topic per turn. */
export const manyTopics: Benchmark = ({ profiles, rounds, toy }) => {
  const sessions = toy ? 60 : 1_000;
  const topics = toy ? 60 : 1_000;
  const random = new Random(2);
  const joins = Array.from({ length: sessions }, () => random.some(TOPICS_EACH, topics));
  const members = new Map<number, number>();
  for (const topic of joins.flat()) members.set(topic, (members.get(topic) ?? 0) + 1);
  const all = Array.from({ length: topics }, (_, topic) => topic);
  const turns = {
    topics: () => all,
    members: (topic: number) => members.get(topic) ?? 0,
    bytes: BYTES,
    milliseconds: toy ? 0 : 1_500,
    atLeast: 3,
  };
  return withContenders([() => carillon({ profiles }), wsLoop], async (contenders) => {
    for (const contender of contenders) await contender.connect(joins.map(joinText));
    const results = await race("many-topics", rounds, contenders, (contender) => measureFanOut(contender, turns));
    const [ours = [], loop = []] = results;
    const lines = contenders.map(({ name }, position) => ({ name, results: results[position] ?? [], beside: loop }));
    const writes = contenders.map(({ name }, position) => ({ name, writes: perSocket(results[position], sessions) }));
    return {
      how: `${sessions} sessions in ${TOPICS_EACH} of ${topics} topics each, one message of ${BYTES} B in every topic per turn. Writes are all write system calls of the process.`,
      parts: [fanOutTable(undefined, "ws loop", lines), writesTable(writes)],
      bars: [
        { what: "CPU per delivery vs ws loop", limit: 0.15, found: cpuOf(ours) / cpuOf(loop), unit: "×" },
        // Answering the publisher and waking the loop also write: a few times per turn, independent of the sessions.
        { what: "writes per socket and turn", limit: 1.05, found: median(perSocket(ours, sessions)), unit: "" },
      ],
    };
  });
};

function perSocket(results: readonly Measured[] = [], sessions: number): number[] {
  return results.map(({ turns, writes = Number.NaN }) => writes / turns / sessions);
}

function writesTable(lines: readonly { readonly name: string; readonly writes: readonly number[] }[]): Part {
  return {
    head: ["server", "writes per socket and turn"],
    rows: lines.map(({ name, writes }) => [name, spread(writes, 3)]),
  };
}
