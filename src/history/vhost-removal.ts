import type { Clock, NamedBroker } from "../core/ports.js";
import { CarillonError } from "../errors.js";

/** Time after which a removal that has failed is repeated, in milliseconds. */
const RETRY = 30_000;

/** Vhosts whose messages are removed, and the callback for failures. */
export interface VhostRemovalOptions {
  readonly clock: Clock;
  readonly exists: (vhost: string) => boolean;
  /** Runs a function at the end of the turn. */
  readonly endOfTurn: (run: () => void) => void;
  /** Called once for each deleted vhost whose messages cannot be removed now. */
  readonly onRemains: (broker: string, vhost: string, reason: string) => void;
}

/** Removes the messages of deleted vhosts from one broker. Repeats what fails, until a vhost of the same name exists. */
export class VhostRemoval {
  readonly #broker: NamedBroker;
  readonly #options: VhostRemovalOptions;
  /** Vhosts that have or had classes. Others cost nothing (rule H7). */
  readonly #known = new Set<string>();
  /** Deleted vhosts whose messages are not removed yet, with whether that was reported. */
  readonly #deleted = new Map<string, boolean>();
  #cancelRetry: (() => void) | undefined;
  #isStopped = false;

  constructor(broker: NamedBroker, options: VhostRemovalOptions) {
    this.#broker = broker;
    this.#options = options;
  }

  /** Called when a vhost has classes. */
  note(vhost: string): void {
    this.#known.add(vhost);
    this.#deleted.delete(vhost);
  }

  /** Removes the messages of a deleted vhost, unless it exists again at the end of the turn. */
  remove(vhost: string): void {
    if (this.#isStopped || !this.#known.delete(vhost)) return;
    this.#deleted.set(vhost, false);
    this.#options.endOfTurn(() => void this.#remove(vhost));
  }

  /** Repeats what has failed. */
  retry(): void {
    for (const vhost of this.#deleted.keys()) void this.#remove(vhost);
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry?.();
  }

  async #remove(vhost: string): Promise<void> {
    const { driver, name } = this.#broker;
    const { clock, exists, onRemains } = this.#options;
    if (exists(vhost)) this.#deleted.delete(vhost);
    // Removals are repeated when the broker has connected.
    if (this.#isStopped || !this.#deleted.has(vhost) || !driver.up) return;
    try {
      await driver.history.deleteVhost(vhost);
      this.#deleted.delete(vhost);
    } catch (cause) {
      const isReported = this.#deleted.get(vhost);
      if (this.#isStopped || isReported === undefined) return;
      this.#deleted.set(vhost, true);
      if (!isReported) onRemains(name, vhost, CarillonError.from(cause).message);
      this.#cancelRetry ??= clock.after(RETRY, () => {
        this.#cancelRetry = undefined;
        this.retry();
      });
    }
  }
}
