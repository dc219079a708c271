import { MessageIds, type Publication } from "../../../src/core/message.js";
import type { BrokerDriver } from "../../../src/core/ports.js";
import { NatsDriver, type NatsDriverOptions } from "../../../src/nats/broker/driver.js";
import type { NatsOptions } from "../../../src/nats/link/options.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { cleanUp } from "../clean-up.js";
import { natsEvents, natsOptions, type ToldOfNats } from "./events.js";

export interface TestDriver extends ToldOfNats {
  readonly driver: BrokerDriver;
}

let count = 0;

/** Creates a NATS driver without starting it. Stops it after the test. */
export function createNatsDriver(
  options: Partial<NatsOptions> & { readonly servers: readonly string[] },
  more: Pick<NatsDriverOptions, "checkInterval"> = {},
): TestDriver {
  const { events, ...recorded } = natsEvents();
  count += 1;
  const driver = new NatsDriver({
    name: "nats",
    nats: natsOptions({ clientName: `test-${count}`, ...options }),
    ids: new MessageIds(`test${count}`),
    clock: systemClock,
    events,
    ...more,
  });
  cleanUp(() => driver.stop(1_000));
  return { driver, ...recorded };
}

/** Creates and starts a NATS driver. Stops it after the test. */
export async function startNatsDriver(
  options: Partial<NatsOptions> & { readonly servers: readonly string[] },
  more: Pick<NatsDriverOptions, "checkInterval"> = {},
): Promise<TestDriver> {
  const made = createNatsDriver(options, more);
  await made.driver.start();
  return made;
}

export function publication(topic: string, payload: string | Uint8Array, vhost = "/"): Publication {
  const message = {
    id: `id-of-${topic}`.slice(0, 40),
    event: "",
    sender: "",
    time: 1_700_000_000_000,
    payload: Buffer.from(payload),
  };
  return { vhost, topic, message };
}
