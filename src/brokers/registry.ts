import type { BrokerDirectory, BrokerDriver, NamedBroker } from "../core/ports.js";
import { CarillonError } from "../errors.js";

/** Most characters of an unknown name that are said back: the known ones matter more. */
const LONGEST_SHOWN = 64;

/** The brokers of this node by name, and which of them each vhost's clients may name. */
export class BrokerRegistry implements BrokerDirectory {
  readonly #brokers: ReadonlyMap<string, NamedBroker>;
  readonly #namesFor: (vhost: string) => readonly string[];

  /** @param namesFor - the brokers that a vhost may use; the first is its default */
  constructor(drivers: ReadonlyMap<string, BrokerDriver>, namesFor: (vhost: string) => readonly string[]) {
    this.#brokers = new Map([...drivers].map(([name, driver]) => [name, { name, driver }]));
    this.#namesFor = namesFor;
  }

  get all(): Iterable<NamedBroker> {
    return this.#brokers.values();
  }

  /** Names of the brokers that are away. */
  get down(): string[] {
    return [...this.#brokers.values()].filter(({ driver }) => !driver.up).map(({ name }) => name);
  }

  resolve(vhost: string, name: string): NamedBroker {
    const known = this.#namesFor(vhost);
    const wanted = name === "" ? known[0] : known.find((candidate) => candidate === name);
    const broker = wanted === undefined ? undefined : this.#brokers.get(wanted);
    if (broker === undefined) {
      const shown = name.length > LONGEST_SHOWN ? `${name.slice(0, LONGEST_SHOWN)}…` : name;
      throw new CarillonError("not_found", `no broker named ${JSON.stringify(shown)}; known: ${known.join(", ")}`);
    }
    return broker;
  }
}
