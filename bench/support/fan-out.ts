import type { Contender } from "./contender.js";
import { countFaults, type Faults } from "./counts.js";

/** Messages of each turn of a measurement. */
export interface Turns {
  /** Returns the topics of the messages of one turn, in order. */
  readonly topics: () => readonly number[];
  /** Returns the number of sessions in a topic. */
  readonly members: (topic: number) => number;
  readonly bytes: number;
  /** Shortest duration; {@link atLeast} is the smallest number of turns. */
  readonly milliseconds: number;
  readonly atLeast: number;
}

export interface Measured {
  /** CPU time of the server per delivery, in microseconds. */
  readonly cpu: number;
  readonly perSecond: number;
  readonly deliveries: number;
  readonly turns: number;
  /** Number of write system calls of the server. */
  readonly writes: number | undefined;
  readonly faults: Faults;
}

/** Measures fan-out. Each turn starts when all clients have received the turn before, so that turns never merge. */
export async function measureFanOut(contender: Contender, turns: Turns): Promise<Measured> {
  const { load, server } = contender;
  const before = await load.counts();
  const begin = { cpu: await server.cpu(), writes: await server.writes(), time: performance.now() };
  let expected = before.received;
  let count = 0;
  while (count < turns.atLeast || performance.now() - begin.time < turns.milliseconds) {
    const topics = turns.topics();
    for (const topic of topics) expected += turns.members(topic);
    await contender.publish(topics, turns.bytes);
    await load.arrived(expected);
    count += 1;
  }
  const milliseconds = performance.now() - begin.time;
  const cpu = (await server.cpu()) - begin.cpu;
  const writes = await server.writes();
  const deliveries = expected - before.received;
  return {
    cpu: cpu / deliveries,
    perSecond: (deliveries / milliseconds) * 1_000,
    deliveries,
    turns: count,
    writes: writes === undefined || begin.writes === undefined ? undefined : writes - begin.writes,
    faults: countFaults(before, await load.counts(), deliveries),
  };
}
