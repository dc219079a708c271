import { MessageIds, type Publication } from "../../../src/core/message.js";
import type { BrokerDriver } from "../../../src/core/ports.js";
import { NatsDriver } from "../../../src/nats/broker/driver.js";
import type { NatsOptions } from "../../../src/nats/link/options.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { cleanUp } from "../clean-up.js";
import { Queue } from "../queue.js";

export interface TestDriver {
  readonly driver: BrokerDriver;
  /** Each time that it became up. */
  readonly ups: Queue<string>;
  /** Each time that it went away. */
  readonly downs: Queue<string>;
  readonly errors: Queue<string>;
}

let count = 0;

/** A NATS driver that has not been started; it is stopped after the test. */
export function createNatsDriver(options: Partial<NatsOptions> & { readonly servers: readonly string[] }): TestDriver {
  const ups = new Queue<string>();
  const downs = new Queue<string>();
  const errors = new Queue<string>();
  count += 1;
  const driver = new NatsDriver({
    name: "nats",
    nats: {
      prefix: "carillon",
      clientName: `test-${count}`,
      pendingBytes: 64 << 20,
      confirmTimeout: 5_000,
      ...options,
    },
    ids: new MessageIds(`test${count}`),
    clock: systemClock,
    events: {
      onUp: (server) => {
        ups.push(server);
      },
      onDown: (reason) => {
        downs.push(reason);
      },
      onError: (message) => {
        errors.push(message);
      },
    },
  });
  cleanUp(() => driver.stop(1_000));
  return { driver, ups, downs, errors };
}

/** The same, started. */
export async function startNatsDriver(
  options: Partial<NatsOptions> & { readonly servers: readonly string[] },
): Promise<TestDriver> {
  const made = createNatsDriver(options);
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
