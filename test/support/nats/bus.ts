import { NatsBus } from "../../../src/nats/bus/nats-bus.js";
import type { NatsOptions } from "../../../src/nats/link/options.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { cleanUp } from "../clean-up.js";
import type { Queue } from "../queue.js";
import { natsEvents, natsOptions } from "./store.js";

export interface TestBus {
  readonly bus: NatsBus;
  readonly ups: Queue<string>;
  readonly downs: Queue<string>;
  readonly errors: Queue<string>;
}

/** A bus that has been started; it is stopped after the test. */
export async function startNatsBus(url: string, options: Partial<NatsOptions> = {}): Promise<TestBus> {
  const { events, ...told } = natsEvents();
  const bus = new NatsBus({ nats: natsOptions({ servers: [url], ...options }), clock: systemClock, events });
  cleanUp(() => bus.stop(1_000));
  await bus.start();
  return { bus, ...told };
}
