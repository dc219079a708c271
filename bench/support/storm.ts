import type { Contender } from "./contender.js";
import { type Faults, faults } from "./counts.js";
import { quiet } from "./quiet.js";

export interface Connected {
  /** Microseconds of the server's CPU for each connection. */
  readonly cpu: number;
  readonly perSecond: number;
  readonly faults: Faults;
}

/** Connects and joins all at once, as far as so many abreast are that, and tells every client something. */
export async function measureStorm(
  contender: Contender,
  hellos: readonly string[],
  abreast: number,
): Promise<Connected> {
  const { load, server } = contender;
  await load.close();
  await quiet(server);
  const begin = { cpu: await server.cpu(), time: performance.now() };
  await contender.connect(hellos, abreast);
  const milliseconds = performance.now() - begin.time;
  const cpu = (await server.cpu()) - begin.cpu;
  const before = await load.counts();
  // All have joined when each has got this.
  await contender.publish([0], 100);
  await load.arrived(hellos.length);
  return {
    cpu: cpu / hellos.length,
    perSecond: (hellos.length / milliseconds) * 1_000,
    faults: faults(before, await load.counts(), hellos.length),
  };
}
