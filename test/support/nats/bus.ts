import { NatsBus } from "../../../src/nats/bus/nats-bus.js";
import type { NatsOptions } from "../../../src/nats/link/options.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { cleanUp } from "../clean-up.js";
import { natsEvents, natsOptions, type ToldOfNats } from "./events.js";

export interface TestBus extends ToldOfNats {
  readonly bus: NatsBus;
}

/** Creates and starts a bus, and stops it after the test. */
export async function startNatsBus(url: string, options: Partial<NatsOptions> = {}): Promise<TestBus> {
  const { events, ...recorded } = natsEvents();
  const bus = new NatsBus({ nats: natsOptions({ servers: [url], ...options }), clock: systemClock, events });
  cleanUp(() => bus.stop(1_000));
  await bus.start();
  return { bus, ...recorded };
}
