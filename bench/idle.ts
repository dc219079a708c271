import { carillon } from "./support/carillon.js";
import { withContenders } from "./support/contender.js";
import { FAULTS_HEAD, formatFaults } from "./support/counts.js";
import { type Idle, measureIdle } from "./support/idle-connections.js";
import { wsLoop } from "./support/peers.js";
import { progress } from "./support/progress.js";
import type { Benchmark } from "./support/report.js";
import { median, spread } from "./support/table.js";

const FLAGS = ["--expose-gc"];
const CONTENDERS = [
  { name: "carillon, one topic", topicOf: () => 0, begin: () => carillon({ flags: FLAGS }) },
  { name: "carillon, one topic each", topicOf: (session: number) => session, begin: () => carillon({ flags: FLAGS }) },
  { name: "bare ws, one topic", topicOf: () => 0, begin: () => wsLoop(FLAGS) },
] as const;

/**
 * Measures the cost of idle connections. Each round uses a new process, because a process keeps memory after many
 * connections.
 */
export const idle: Benchmark = async ({ rounds, toy }) => {
  const sessions = toy ? 300 : 15_000;
  const results = CONTENDERS.map((): Idle[] => []);
  for (let round = 1; round <= rounds; round += 1) {
    for (const [position, { begin, name, topicOf }] of CONTENDERS.entries()) {
      progress(`idle: round ${round} of ${rounds}, ${name}`);
      const topics = Array.from({ length: sessions }, (_, session) => topicOf(session));
      // Each ping interval, 25 s, reaches every connection once.
      const wait = round === rounds && position < 2 ? (toy ? 500 : 25_000) : 0;
      const result = await withContenders([begin], ([contender]) => measureIdle(contender, topics, wait));
      results[position]?.push(result);
    }
  }
  const kilobytes = results.map((one) => one.map(({ resident }) => resident / 1_024));
  return {
    how: `${sessions} joined connections. Memory is the growth of the process since before they connected, after a garbage collection, in a new process each round; CPU is that of one ping interval.`,
    parts: [
      {
        head: ["server", "resident KB each", "heap KB each", "CPU µs per connection-second", FAULTS_HEAD],
        rows: CONTENDERS.map(({ name }, position) => {
          const one = results[position] ?? [];
          const cpu = one.at(-1)?.cpu;
          return [
            name,
            spread(kilobytes[position] ?? [], 2),
            spread(
              one.map(({ heap }) => heap / 1_024),
              2,
            ),
            cpu === undefined ? "" : cpu.toFixed(2),
            formatFaults(one.map((result) => result.faults)),
          ];
        }),
      },
    ],
    bars: [0, 1].map((position) => ({
      what: `resident, ${CONTENDERS[position]?.name}`,
      limit: 8,
      found: median(kilobytes[position] ?? []),
      unit: "KB each",
    })),
  };
};
