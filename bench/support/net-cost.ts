import type { Contender } from "./contender.js";
import { type Measured, measureFanOut, type Turns } from "./fan-out.js";

/** A topic that nobody is ever in. */
const NOBODY = 999_999;

export interface NetCost extends Measured {
  /** CPU for each delivery without what taking the publish costs, which is the same for one session as for all. */
  readonly net: number;
}

/** Measures the same turns with nobody to hear them, and takes that off. */
export async function measureNet(contender: Contender, turns: Turns): Promise<NetCost> {
  const measured = await measureFanOut(contender, turns);
  const { server } = contender;
  const publishes = turns.milliseconds === 0 ? 3 : 300;
  const begin = await server.cpu();
  const topics = turns.topics().map(() => NOBODY);
  for (let count = 0; count < publishes; count += 1) await contender.publish(topics, turns.bytes);
  const publish = ((await server.cpu()) - begin) / publishes;
  return { ...measured, net: measured.cpu - (publish * measured.turns) / measured.deliveries };
}
