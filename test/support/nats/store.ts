import { NatsStore, type NatsStoreOptions } from "../../../src/nats/store/key-value.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { cleanUp } from "../clean-up.js";
import { temporaryFolder } from "../temporary-files.js";
import { natsEvents, natsOptions, type ToldOfNats } from "./events.js";
import { type NatsServer, startNats } from "./server.js";

export interface TestStore extends ToldOfNats {
  readonly store: NatsStore;
}

/** A server that keeps what it is given, also when it is killed and started again. */
export function startJetStream(): Promise<NatsServer> {
  return startNats(`jetstream { store_dir: "${temporaryFolder()}" }`);
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
