import type { Contender } from "./contender.js";
import { type Measured, measureFanOut, type Turns } from "./fan-out.js";

/** Topic without subscribers. */
const EMPTY_TOPIC = 999_999;

export interface NetCost extends Measured {
  /** CPU time per delivery without the cost of accepting the publish, which does not depend on the number of sessions. */
  readonly net: number;
}

/** Measures turns, and subtracts the cost of the same turns without subscribers. */
export async function measureNet(contender: Contender, turns: Turns): Promise<NetCost> {
  const measured = await measureFanOut(contender, turns);
  const { server } = contender;
  const publishes = turns.milliseconds === 0 ? 3 : 300;
  const begin = await server.cpu();
  const topics = turns.topics().map(() => EMPTY_TOPIC);
  for (let count = 0; count < publishes; count += 1) await contender.publish(topics, turns.bytes);
  const publish = ((await server.cpu()) - begin) / publishes;
  return { ...measured, net: measured.cpu - (publish * measured.turns) / measured.deliveries };
}
