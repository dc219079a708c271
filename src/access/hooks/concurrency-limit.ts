/** Runs when a slot is free. The caller must call `leave` when it is done. */
type Start = () => void;

/** Largest queues. Clients wait for requests; notifications come by the thousand when a node stops. */
export const MAX_WAITING = { request: 1_000, notification: 10_000 } as const;

export type Urgency = keyof typeof MAX_WAITING;

/** Limits the calls in flight, and queues a bounded number of others. Requests go first. */
export class ConcurrencyLimit {
  readonly #limit: number;
  readonly #waiting: Readonly<Record<Urgency, Set<Start>>> = { request: new Set(), notification: new Set() };
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Starts a call now or later.
   * @returns cancels waiting, and returns true if the call had not started; undefined when the queue is full
   */
  enter(urgency: Urgency, start: Start): (() => boolean) | undefined {
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
  leave(): void {
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
