import type { Config } from "../../config/schema.js";
import { CarillonError } from "../../errors.js";
import { NatsStore } from "../../nats/store/key-value.js";
import type { LimitedLog } from "../../observe/limited-log.js";
import type { Logger } from "../../observe/log.js";
import { FileStore } from "../../store/file.js";
import { MemoryStore } from "../../store/memory.js";
import type { Store } from "../../store/store.js";
import { systemClock } from "../../util/system-clock.js";
import { natsBroker, natsOptions } from "../nats-options.js";

export interface StoreContext {
  readonly log: Logger;
  readonly limitedLog: LimitedLog;
  /** Called when the store becomes available or unavailable. */
  readonly onChanged: () => void;
}

/** Creates the store that the configuration names. It does not open or connect yet. */
export function createStore({ brokers, store }: Config, { limitedLog, log, onChanged }: StoreContext): Store {
  const onUp = (): void => {
    log.info("store available");
    onChanged();
  };
  const onDown = (reason: string): void => {
    log.warn({ reason }, "store unavailable, retrying");
    onChanged();
  };
  const onError = (message: string): void => {
    limitedLog.error({}, message, "store");
  };
  if (store.driver === "memory") return new MemoryStore({ clock: systemClock, onError });
  const events = { onUp, onDown, onError };
  if (store.driver === "file") return new FileStore({ folder: store.path, clock: systemClock, ...events });
  const broker = natsBroker(brokers, store.broker);
  if (broker === undefined) throw new CarillonError("invalid_argument", "store: no broker uses the NATS driver");
  const { bucket, replicas } = store;
  return new NatsStore({ bucket, replicas, nats: natsOptions(broker), clock: systemClock, events });
}
