import { NatsStore, type NatsStoreOptions } from "../../../src/nats/store/key-value.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { cleanUp } from "../clean-up.js";
import { temporaryFolder } from "../temporary-files.js";
import { natsEvents, natsOptions, type ToldOfNats } from "./events.js";
import { type NatsServer, startNats } from "./server.js";

export interface TestStore extends ToldOfNats {
  readonly store: NatsStore;
}

/** Starts a server with JetStream whose data survives a kill and restart. */
export function startJetStream(): Promise<NatsServer> {
  return startNats(`jetstream { store_dir: "${temporaryFolder()}" }`);
}

/** Creates a store without starting it. Stops it after the test. */
export function createNatsStore(url: string, options: Partial<NatsStoreOptions> = {}): TestStore {
  const { events, ...recorded } = natsEvents();
  const store = new NatsStore({
    bucket: "carillon",
    replicas: 1,
    nats: natsOptions({ servers: [url] }),
    clock: systemClock,
    events,
    ...options,
  });
  cleanUp(() => store.stop());
  return { store, ...recorded };
}

/** Creates and starts a store. Stops it after the test. */
export async function startNatsStore(url: string, options: Partial<NatsStoreOptions> = {}): Promise<TestStore> {
  const made = createNatsStore(url, options);
  await made.store.start();
  return made;
}
