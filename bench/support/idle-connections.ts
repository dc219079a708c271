import type { Contender } from "./contender.js";
import { countFaults, type Faults } from "./counts.js";
import { pause } from "./pause.js";
import { waitUntilIdle } from "./quiet.js";

/**
 * Number of clients that connect and disconnect before memory is first measured, so that one-time allocations are done.
 */
const WARM_UP = 500;

export interface Idle {
  /** Resident bytes, and bytes reported by V8 and Node, per connection. */
  readonly resident: number;
  readonly heap: number;
  /** CPU time per connection and second, in microseconds; undefined when not measured. */
  readonly cpu: number | undefined;
  readonly faults: Faults;
}

/**
 * Measures the growth of a server by idle clients, and then sends each client a message.
 *
 * @param topics - topic of each client
 * @param wait - milliseconds for which CPU time is measured; 0 for not at all
 */
export async function measureIdle(
  contender: Contender | undefined,
  topics: readonly number[],
  wait: number,
): Promise<Idle> {
  if (contender === undefined) throw new Error("no contender");
  const { join, load, server } = contender;
  const hellos = topics.map((topic) => join([topic]));
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
  const different = [...new Set(topics)];
  // In parts, because the size of a request is limited.
  for (let from = 0; from < different.length; from += 1_000)
    await contender.publish(different.slice(from, from + 1_000), 100);
  await load.arrived(hellos.length);
  return {
    resident: (full.resident - empty.resident) / hellos.length,
    heap: (full.heap - empty.heap) / hellos.length,
    cpu,
    faults: countFaults(before, await load.counts(), hellos.length),
  };
}
