import type { Clock } from "../../src/core/ports.js";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** Clock that the test advances. */
export class ManualClock implements Clock {
  readonly #timers = new Set<Timer>();
  #now = 0;
  /** Difference between the wall clock and the elapsed time, in milliseconds. */
  #offset = 0;

  /** Number of active timers. */
  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now + this.#offset;
  }

  monotonic(): number {
    return this.#now;
  }

  /** Moves the wall clock by this number of milliseconds, as an operator or NTP does, without elapsed time. */
  set(milliseconds: number): void {
    this.#offset += milliseconds;
  }

  after(milliseconds: number, run: () => void): () => void {
    const timer = { at: this.#now + milliseconds, run };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Advances time, and runs due timers in order, each at its own time. */
  advance(milliseconds: number): void {
    const end = this.#now + milliseconds;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.run();
    }
    this.#now = end;
  }

  /** Lets time pass as on a machine that sleeps: every timer that falls due runs once, late. */
  sleep(milliseconds: number): void {
    this.#now += milliseconds;
    const due = [...this.#timers].filter(({ at }) => at <= this.#now).toSorted((a, b) => a.at - b.at);
    for (const timer of due) {
      if (this.#timers.delete(timer)) timer.run();
    }
  }
}
