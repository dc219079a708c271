import type { BrokerDirectory, BrokerDriver, NamedBroker } from "../core/ports.js";
import { CarillonError } from "../errors.js";

/** Maximum number of characters of an unknown name in an error text. */
const MAX_SHOWN_LENGTH = 64;

/** The brokers of this node by name, and the brokers that each vhost's clients may use. */
export class BrokerRegistry implements BrokerDirectory {
  readonly #brokers: ReadonlyMap<string, NamedBroker>;
  readonly #namesFor: (vhost: string) => readonly string[];

  /** @param namesFor - returns the names of the brokers that a vhost may use; the first is its default */
  constructor(drivers: ReadonlyMap<string, BrokerDriver>, namesFor: (vhost: string) => readonly string[]) {
    this.#brokers = new Map([...drivers].map(([name, driver]) => [name, { name, driver }]));
    this.#namesFor = namesFor;
  }

  get all(): Iterable<NamedBroker> {
    return this.#brokers.values();
  }

  /** Names of the disconnected brokers. */
  get down(): string[] {
    return [...this.#brokers.values()].filter(({ driver }) => !driver.up).map(({ name }) => name);
  }

  resolve(vhost: string, name: string): NamedBroker {
    const known = this.#namesFor(vhost);
    const brokerName = name === "" ? known[0] : known.find((candidate) => candidate === name);
    const broker = brokerName === undefined ? undefined : this.#brokers.get(brokerName);
    if (broker === undefined) {
      const shown = name.length > MAX_SHOWN_LENGTH ? `${name.slice(0, MAX_SHOWN_LENGTH)}…` : name;
      throw new CarillonError("not_found", `unknown broker ${JSON.stringify(shown)}; known: ${known.join(", ")}`);
    }
    return broker;
  }
}
