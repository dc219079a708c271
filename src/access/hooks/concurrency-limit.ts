/** Starts a call when a slot is free. `release` must be called when the call has ended. */
type Start = () => void;

/**
 * Maximum lengths of the queues. That for requests is short because clients wait for them; that for notifications is long
 * because a stopping node disconnects thousands of clients at once.
 */
export const MAX_WAITING = { request: 1_000, notification: 10_000 } as const;

export type Urgency = keyof typeof MAX_WAITING;

/** Limits the calls in flight, and queues a bounded number of others. Requests have priority over notifications. */
export class ConcurrencyLimit {
  readonly #limit: number;
  readonly #waiting: Readonly<Record<Urgency, Set<Start>>> = { request: new Set(), notification: new Set() };
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Starts a call now, or queues it.
   * @returns a function that cancels a queued call, and returns whether the call was still queued; undefined when the queue is
   *   full
   */
  acquire(urgency: Urgency, start: Start): (() => boolean) | undefined {
    if (this.#running < this.#limit) {
      this.#running += 1;
      start();
      return neverWaited;
    }
    const waiting = this.#waiting[urgency];
    if (waiting.size >= MAX_WAITING[urgency]) return undefined;
    waiting.add(start);
    return () => waiting.delete(start);
  }

  /** Frees a slot and starts the next call. */
  release(): void {
    for (const waiting of [this.#waiting.request, this.#waiting.notification]) {
      const [next] = waiting;
      if (next === undefined) continue;
      waiting.delete(next);
      next();
      return;
    }
    this.#running -= 1;
  }
}

function neverWaited(): boolean {
  return false;
}
