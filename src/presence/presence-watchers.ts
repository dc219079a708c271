import type { Clock, EndOfTurn } from "../core/ports.js";
import { errorText } from "../util/native-error.js";
import { type PresenceStep, toDifference } from "./difference.js";
import type { PresenceChange } from "./presence.js";

export interface PresenceWatchersOptions {
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
  /** Called when a watcher throws. */
  readonly onError: (message: string) => void;
}

/** Number of members above which a topic is large. */
const LARGE = 100;
/** Minimum interval between two reports about a large topic, in milliseconds. */
const INTERVAL = 100;

interface Watcher {
  readonly onChange: (change: PresenceChange) => void;
  /** Index of the first step that the watcher receives. */
  from: number;
}

/**
 * Watchers of a topic. They are notified at the end of the turn in which the topic changed; for a large topic, at most every
 * 100 ms. The steps since the last report are kept meanwhile.
 */
export class PresenceWatchers {
  readonly #options: PresenceWatchersOptions;
  readonly #countOf: () => number;
  readonly #watchers = new Set<Watcher>();
  #steps: PresenceStep[] = [];
  #lastReport = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(countOf: () => number, options: PresenceWatchersOptions) {
    this.#countOf = countOf;
    this.#options = options;
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** @returns a function that removes the watcher */
  add(onChange: (change: PresenceChange) => void): () => void {
    const watcher = { onChange, from: this.#steps.length };
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) this.end();
    };
  }

  note(step: PresenceStep): void {
    if (this.#watchers.size === 0) return;
    this.#steps.push(step);
    if (this.#cancel === undefined) this.#schedule();
  }

  /** Removes all watchers, and discards the pending steps. */
  end(): void {
    this.#watchers.clear();
    this.#steps = [];
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #schedule(): void {
    const { clock, endOfTurn } = this.#options;
    const since = Math.max(0, clock.monotonic() - this.#lastReport);
    if (this.#countOf() > LARGE && since < INTERVAL) {
      this.#cancel = clock.after(INTERVAL - since, this.#notify);
      return;
    }
    let cancelled = false;
    this.#cancel = () => {
      cancelled = true;
    };
    endOfTurn(() => {
      if (!cancelled) this.#notify();
    });
  }

  readonly #notify = (): void => {
    this.#cancel = undefined;
    this.#lastReport = this.#options.clock.monotonic();
    const steps = this.#steps;
    this.#steps = [];
    const count = this.#countOf();
    // Differences by first step, shared by watchers that began at the same time, which are nearly always all.
    const changes = new Map<number, PresenceChange | undefined>();
    // Copies the set, because watchers may be added while others are notified.
    const watchers = [...this.#watchers];
    for (const watcher of watchers) {
      const { from, onChange } = watcher;
      watcher.from = 0;
      if (!changes.has(from)) changes.set(from, toDifference(from === 0 ? steps : steps.slice(from), count));
      const change = changes.get(from);
      if (change !== undefined && this.#watchers.has(watcher)) this.#notifyOne(onChange, change);
    }
  };

  #notifyOne(onChange: (change: PresenceChange) => void, change: PresenceChange): void {
    try {
      onChange(change);
    } catch (cause) {
      this.#options.onError(`notifying a watcher of presence failed: ${errorText(cause)}`);
    }
  }
}
