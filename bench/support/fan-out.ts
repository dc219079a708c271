import type { Contender } from "./contender.js";
import { type Faults, faults } from "./counts.js";

/** What the turns of a measurement bring. */
export interface Turns {
  /** The topics of the messages of one turn, in order. */
  readonly topics: () => readonly number[];
  /** How many sessions are in a topic. */
  readonly members: (topic: number) => number;
  readonly bytes: number;
  /** It goes on for so long, and for so many turns at least. */
  readonly milliseconds: number;
  readonly atLeast: number;
}

export interface Measured {
  /** Microseconds of the server's CPU for each delivery. */
  readonly cpu: number;
  readonly perSecond: number;
  readonly deliveries: number;
  readonly turns: number;
  /** Writes of the server to the system, all its connections together. */
  readonly writes: number | undefined;
  readonly faults: Faults;
}

/** What was published has been taken by all before the next turn begins, so that turns never melt into one. */
export async function measureFanOut(contender: Contender, turns: Turns): Promise<Measured> {
  const { load, server } = contender;
  const before = await load.counts();
  const begin = { cpu: await server.cpu(), writes: await server.writes(), time: performance.now() };
  let wanted = before.received;
  let count = 0;
  while (count < turns.atLeast || performance.now() - begin.time < turns.milliseconds) {
    const topics = turns.topics();
    for (const topic of topics) wanted += turns.members(topic);
    await contender.publish(topics, turns.bytes);
    await load.arrived(wanted);
    count += 1;
  }
  const milliseconds = performance.now() - begin.time;
  const cpu = (await server.cpu()) - begin.cpu;
  const writes = await server.writes();
  const deliveries = wanted - before.received;
  return {
    cpu: cpu / deliveries,
    perSecond: (deliveries / milliseconds) * 1_000,
    deliveries,
    turns: count,
    writes: writes === undefined || begin.writes === undefined ? undefined : writes - begin.writes,
    faults: faults(before, await load.counts(), deliveries),
  };
}
