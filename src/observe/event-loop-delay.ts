import { performance } from "node:perf_hooks";

/** Milliseconds between two samples. A shorter time would wake an idle process more often. */
const INTERVAL = 100;

/** Maximum number of samples for one delay: of 10 seconds. */
const MAX_SAMPLES = 100;

/**
 * Samples the delay of the event loop: how much later than planned a timer runs. A long delay counts as many times as it took
 * intervals, because every event in that time was late, so that percentiles are those of time.
 */
export class EventLoopDelay {
  readonly #timer: NodeJS.Timeout;
  #last = performance.now();

  /** @param onSample - receives seconds */
  constructor(onSample: (seconds: number) => void) {
    this.#timer = setInterval(() => {
      const now = performance.now();
      let delay = Math.max(0, now - this.#last - INTERVAL);
      this.#last = now;
      for (let samples = 0; samples === 0 || (delay > 0 && samples < MAX_SAMPLES); samples += 1) {
        onSample(delay / 1_000);
        delay -= INTERVAL;
      }
    }, INTERVAL).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
