import { carillon } from "./support/carillon.js";
import { withContenders } from "./support/contender.js";
import { measureFanOut } from "./support/fan-out.js";
import { cpuOf, fanOutTable } from "./support/fan-out-table.js";
import { joinText } from "./support/payload.js";
import { wsMap } from "./support/peers.js";
import { race } from "./support/race.js";
import { Random } from "./support/random.js";
import type { Benchmark } from "./support/report.js";

const BYTES = 100;
/** Messages of one request, each to a different client. */
const PER_TURN = 100;

/** Measures messages to random sessions, each of which has its own topic. */
export const personal: Benchmark = ({ profiles, rounds, toy }) => {
  const sessions = toy ? 200 : 10_000;
  const random = new Random(1);
  const turns = {
    topics: () => random.some(PER_TURN, sessions),
    members: () => 1,
    bytes: BYTES,
    milliseconds: toy ? 0 : 2_000,
    atLeast: 3,
  };
  return withContenders([() => carillon({ profiles }), wsMap], async (contenders) => {
    for (const contender of contenders) {
      await contender.connect(Array.from({ length: sessions }, (_, session) => joinText([session])));
    }
    const results = await race("personal", rounds, contenders, (contender) => measureFanOut(contender, turns));
    const [ours, map = []] = results;
    const lines = contenders.map(({ name }, position) => ({ name, results: results[position] ?? [], beside: map }));
    return {
      how: `${sessions} topics with 1 session each, ${PER_TURN} messages of ${BYTES} B per request, each to a different random topic.`,
      parts: [fanOutTable(undefined, "map", lines)],
      bars: [{ what: "CPU per delivery vs map", limit: 1.2, found: cpuOf(ours) / cpuOf(map), unit: "×" }],
    };
  });
};
