import type { Connect } from "../load.js";
import type { Contender } from "./contender.js";
import { countFaults, type Faults } from "./counts.js";
import { waitUntilIdle } from "./quiet.js";

export interface Connected {
  /** CPU time of the server per connection, in microseconds. */
  readonly cpu: number;
  readonly perSecond: number;
  readonly faults: Faults;
}

/** Connects and joins clients with a number of concurrent handshakes, then sends every client a message. */
export async function measureStorm(
  contender: Contender,
  hellos: Connect["hellos"],
  concurrency: number,
): Promise<Connected> {
  const { load, server } = contender;
  await load.close();
  await waitUntilIdle(server);
  const begin = { cpu: await server.cpu(), time: performance.now() };
  await contender.connect(hellos, concurrency);
  const milliseconds = performance.now() - begin.time;
  const cpu = (await server.cpu()) - begin.cpu;
  const before = await load.counts();
  // When each client has received this message, all have joined.
  await contender.publish([0], 100);
  await load.arrived(hellos.length);
  return {
    cpu: cpu / hellos.length,
    perSecond: (hellos.length / milliseconds) * 1_000,
    faults: countFaults(before, await load.counts(), hellos.length),
  };
}
