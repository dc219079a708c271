import type { NamedBroker } from "../core/ports.js";
import { BrokerPreparation, type BrokerPreparationOptions } from "./broker-preparation.js";

/** Brokers and vhosts whose classes are prepared, and the callbacks for their faults. */
export interface HistoryPreparationOptions extends BrokerPreparationOptions {
  readonly brokers: Iterable<NamedBroker>;
  /** Names of all vhosts. */
  readonly vhosts: () => Iterable<string>;
}

/**
 * Prepares the storage of all vhosts' history classes: at the start, after each reconnect of a broker, and when settings
 * change. Removes the messages of deleted vhosts. Faults are retried. A broker prepares one vhost at a time. Vhosts without classes cost nothing (rule H7).
 */
export class HistoryPreparation {
  readonly #options: HistoryPreparationOptions;
  readonly #brokers: ReadonlyMap<string, BrokerPreparation>;

  constructor(options: HistoryPreparationOptions) {
    this.#options = options;
    const all = [...options.brokers].map((broker) => [broker.name, new BrokerPreparation(broker, options)] as const);
    this.#brokers = new Map(all);
  }

  /** Prepares the classes of all vhosts on a broker that has connected. */
  brokerUp(name: string): void {
    const broker = this.#brokers.get(name);
    broker?.forget();
    for (const vhost of this.#options.vhosts()) broker?.prepare(vhost);
  }

  /** Prepares the classes of a vhost whose settings may have changed. It may have been created or deleted. */
  vhostChanged(vhost: string): void {
    for (const broker of this.#brokers.values()) {
      if (!this.#options.exists(vhost)) broker.vhostDeleted(vhost);
      broker.prepare(vhost);
    }
  }

  /** Number of faults by broker. */
  get faults(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#brokers].map(([name, { faults }]) => [name, faults]));
  }

  /** Prepares nothing any more. */
  stop(): void {
    for (const broker of this.#brokers.values()) broker.stop();
  }
}
