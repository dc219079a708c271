import type { NatsEvents } from "../../../src/nats/link/link.js";
import type { NatsOptions } from "../../../src/nats/link/options.js";
import { NatsStore, type NatsStoreOptions } from "../../../src/nats/store/key-value.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { cleanUp } from "../clean-up.js";
import { Queue } from "../queue.js";
import { temporaryFolder } from "../temporary-files.js";
import { type NatsServer, startNats } from "./server.js";

export interface TestStore {
  readonly store: NatsStore;
  readonly ups: Queue<string>;
  readonly downs: Queue<string>;
  readonly errors: Queue<string>;
}

/** A server that keeps what it is given, also when it is killed and started again. */
export function startJetStream(): Promise<NatsServer> {
  return startNats(`jetstream { store_dir: "${temporaryFolder()}" }`);
}

/** Connection options for tests. */
export function natsOptions(options: Partial<NatsOptions> & { readonly servers: readonly string[] }): NatsOptions {
  return { prefix: "carillon", clientName: "test", pendingBytes: 64 << 20, confirmTimeout: 5_000, ...options };
}

/** What is told of a connection, in order. */
export function natsEvents(): { events: NatsEvents } & Omit<TestStore, "store"> {
  const ups = new Queue<string>();
  const downs = new Queue<string>();
  const errors = new Queue<string>();
  const events: NatsEvents = {
    onUp: (server) => {
      ups.push(server);
    },
    onDown: (reason) => {
      downs.push(reason);
    },
    onError: (message) => {
      errors.push(message);
    },
  };
  return { events, ups, downs, errors };
}

/** A store that has not been started; it is stopped after the test. */
export function createNatsStore(url: string, options: Partial<NatsStoreOptions> = {}): TestStore {
  const { events, ...told } = natsEvents();
  const store = new NatsStore({
    bucket: "carillon",
    replicas: 1,
    nats: natsOptions({ servers: [url] }),
    clock: systemClock,
    events,
    ...options,
  });
  cleanUp(() => store.stop());
  return { store, ...told };
}

/** The same, started. */
export async function startNatsStore(url: string, options: Partial<NatsStoreOptions> = {}): Promise<TestStore> {
  const made = createNatsStore(url, options);
  await made.store.start();
  return made;
}
