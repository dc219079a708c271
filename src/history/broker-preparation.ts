import type { HistoryClass } from "../core/history.js";
import type { NamedBroker } from "../core/ports.js";
import { VhostRemoval, type VhostRemovalOptions } from "./vhost-removal.js";

/** Time after which classes with faults are prepared again, in milliseconds. */
const RETRY = 30_000;

/** Classes of the vhosts, and the callbacks for their faults. */
export interface BrokerPreparationOptions extends VhostRemovalOptions {
  /** Returns the classes that a vhost keeps on a broker; empty for an unknown vhost, or one that does not use the broker. */
  readonly classesOf: (vhost: string, broker: string) => readonly HistoryClass[];
  /** Called once for each fault of a vhost's classes, until it is gone. */
  readonly onFault: (broker: string, vhost: string, fault: string) => void;
  /** Called when a vhost's classes have no faults any more. */
  readonly onReady: (broker: string, vhost: string) => void;
}

/** Classes that a broker was asked to prepare for a vhost. */
interface Prepared {
  readonly classes: readonly HistoryClass[];
  readonly faults: ReadonlySet<string>;
}

/** Prepares the classes of vhosts on one broker, one vhost at a time, and retries those with faults. */
export class BrokerPreparation {
  readonly #broker: NamedBroker;
  readonly #options: BrokerPreparationOptions;
  readonly #removal: VhostRemoval;
  /** Latest preparation by vhost. Vhosts that never had classes are not listed. */
  readonly #prepared = new Map<string, Prepared>();
  /** Vhosts whose classes must be prepared again, even if they are unchanged. */
  readonly #stale = new Set<string>();
  readonly #pending = new Set<string>();
  #cancelRetry: (() => void) | undefined;
  #isRunning = false;
  #isStopped = false;

  constructor(broker: NamedBroker, options: BrokerPreparationOptions) {
    this.#broker = broker;
    this.#options = options;
    this.#removal = new VhostRemoval(broker, options);
  }

  /** Number of faults of all vhosts. */
  get faults(): number {
    let count = 0;
    for (const { faults } of this.#prepared.values()) count += faults.size;
    return count;
  }

  /** Lets all vhosts be prepared again, because the store may have changed while the broker was away. */
  forget(): void {
    for (const vhost of this.#prepared.keys()) this.#stale.add(vhost);
    this.#removal.retry();
  }

  /** Removes the messages of a deleted vhost. */
  vhostDeleted(vhost: string): void {
    this.#removal.remove(vhost);
  }

  /** Prepares the classes of a vhost, unless they are unchanged. */
  prepare(vhost: string): void {
    if (this.#isStopped) return;
    if (this.#options.classesOf(vhost, this.#broker.name).length > 0) this.#removal.note(vhost);
    this.#pending.add(vhost);
    if (this.#isRunning) return;
    void this.#run();
  }

  /** Prepares nothing any more. */
  stop(): void {
    this.#isStopped = true;
    this.#pending.clear();
    this.#removal.stop();
    this.#cancelRetry?.();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (const vhost of this.#pending) {
      this.#pending.delete(vhost);
      // All vhosts are prepared when the broker has connected.
      if (this.#broker.driver.up) await this.#prepareVhost(vhost);
    }
    this.#isRunning = false;
    if (this.faults > 0 && !this.#isStopped) {
      this.#cancelRetry ??= this.#options.clock.after(RETRY, this.#retry);
    }
  }

  readonly #retry = (): void => {
    this.#cancelRetry = undefined;
    for (const [vhost, { faults }] of this.#prepared) {
      if (faults.size === 0) continue;
      this.#stale.add(vhost);
      this.prepare(vhost);
    }
  };

  async #prepareVhost(vhost: string): Promise<void> {
    const { driver, name } = this.#broker;
    const classes = this.#options.classesOf(vhost, name);
    const before = this.#prepared.get(vhost);
    if (before === undefined && classes.length === 0) return;
    if (!this.#stale.delete(vhost) && before !== undefined && areSame(before, classes)) return;
    const faults = new Set(await driver.history.prepareClasses(vhost, classes));
    if (this.#isStopped) return;
    if (classes.length === 0) this.#prepared.delete(vhost);
    else this.#prepared.set(vhost, { classes, faults });
    for (const fault of faults) if (before?.faults.has(fault) !== true) this.#options.onFault(name, vhost, fault);
    if (faults.size === 0 && before !== undefined && before.faults.size > 0) this.#options.onReady(name, vhost);
  }
}

/** Whether the classes are the same objects, as those are that a change of settings does not affect. */
function areSame({ classes: before }: Prepared, classes: readonly HistoryClass[]): boolean {
  return before.length === classes.length && before.every((each, position) => each === classes[position]);
}
