import type { Clock, EndOfTurn } from "../core/ports.js";
import { errorText } from "../util/native-error.js";
import { type PresenceStep, toDifference } from "./difference.js";
import type { PresenceChange } from "./presence.js";

export interface PresenceWatchersOptions {
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
  /** Told of faults of those who watch. */
  readonly onError: (message: string) => void;
}

/** A place with more members than these is large. */
const LARGE = 100;
/** Time between two changes that watchers of a large place are told, in milliseconds. */
const INTERVAL = 100;

interface Watcher {
  readonly onChange: (change: PresenceChange) => void;
  /** Steps before it are no news. */
  from: number;
}

/**
 * Those who watch a place. They are told what has changed at the end of the turn in which something did; while the place
 * is large, not before 100 ms have passed since they were told the last time. What waits is what the node has taken in
 * within that time, and refers to members that it holds or held.
 */
export class PresenceWatchers {
  readonly #options: PresenceWatchersOptions;
  readonly #countOf: () => number;
  readonly #watchers = new Set<Watcher>();
  #steps: PresenceStep[] = [];
  #told = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(countOf: () => number, options: PresenceWatchersOptions) {
    this.#countOf = countOf;
    this.#options = options;
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** @returns ends it */
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

  /** Nobody is told any more. */
  end(): void {
    this.#watchers.clear();
    this.#steps = [];
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #schedule(): void {
    const { clock, endOfTurn } = this.#options;
    const since = Math.max(0, clock.monotonic() - this.#told);
    if (this.#countOf() > LARGE && since < INTERVAL) {
      this.#cancel = clock.after(INTERVAL - since, this.#tell);
      return;
    }
    let cancelled = false;
    this.#cancel = () => {
      cancelled = true;
    };
    endOfTurn(() => {
      if (!cancelled) this.#tell();
    });
  }

  readonly #tell = (): void => {
    this.#cancel = undefined;
    this.#told = this.#options.clock.monotonic();
    const steps = this.#steps;
    this.#steps = [];
    const count = this.#countOf();
    // Shared by those who began to watch at the same time: nearly always all.
    const changes = new Map<number, PresenceChange | undefined>();
    // Not those that come while they are told.
    const watchers = [...this.#watchers];
    for (const watcher of watchers) {
      const { from, onChange } = watcher;
      watcher.from = 0;
      if (!changes.has(from)) changes.set(from, toDifference(from === 0 ? steps : steps.slice(from), count));
      const change = changes.get(from);
      if (change !== undefined && this.#watchers.has(watcher)) this.#tellOne(onChange, change);
    }
  };

  #tellOne(onChange: (change: PresenceChange) => void, change: PresenceChange): void {
    try {
      onChange(change);
    } catch (fault) {
      this.#options.onError(`telling of a presence failed: ${errorText(fault)}`);
    }
  }
}
