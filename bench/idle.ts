import { carillon } from "./support/carillon.js";
import { type Contender, withContenders } from "./support/contender.js";
import { countFaults, FAULTS_HEAD, type Faults, formatFaults } from "./support/counts.js";
import { pause } from "./support/pause.js";
import { joinText } from "./support/payload.js";
import { wsLoop } from "./support/peers.js";
import { progress } from "./support/progress.js";
import { waitUntilIdle } from "./support/quiet.js";
import type { Benchmark } from "./support/report.js";
import { median, spread } from "./support/table.js";

const FLAGS = ["--expose-gc"];
/**
 * Number of clients that connect and disconnect before memory is first measured, so that one-time allocations are done.
 */
const WARM_UP = 500;

interface Idle {
  /** Resident bytes, and bytes reported by V8 and Node, per connection. */
  readonly resident: number;
  readonly heap: number;
  /** CPU time per connection and second, in microseconds; undefined when not measured. */
  readonly cpu: number | undefined;
  readonly faults: Faults;
}

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
      const hellos = Array.from({ length: sessions }, (_, session) => joinText([topicOf(session)]));
      // Each ping interval, 25 s, reaches every connection once.
      const wait = round === rounds && position < 2 ? (toy ? 500 : 25_000) : 0;
      const result = await withContenders([begin], ([contender]) => measure(contender, hellos, wait));
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

async function measure(contender: Contender | undefined, hellos: readonly string[], wait: number): Promise<Idle> {
  if (contender === undefined) throw new Error("no contender");
  const { load, server } = contender;
  await contender.connect(hellos.slice(0, WARM_UP));
  await load.close();
  await waitUntilIdle(server);
  const empty = await server.memory();
  await contender.connect(hellos);
  await waitUntilIdle(server);
  const full = await server.memory();
  let cpu: number | undefined;
  if (wait > 0) {
    const begin = await server.cpu();
    await pause(wait);
    cpu = ((await server.cpu()) - begin) / hellos.length / (wait / 1_000);
  }
  const before = await load.counts();
  const topics = [...new Set(hellos)].map((_, topic) => topic);
  // In parts, because the size of a request is limited.
  for (let from = 0; from < topics.length; from += 1_000)
    await contender.publish(topics.slice(from, from + 1_000), 100);
  await load.arrived(hellos.length);
  return {
    resident: (full.resident - empty.resident) / hellos.length,
    heap: (full.heap - empty.heap) / hellos.length,
    cpu,
    faults: countFaults(before, await load.counts(), hellos.length),
  };
}
