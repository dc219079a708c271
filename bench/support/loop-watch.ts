import { readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

/** The longest time for which the event loop was held, in milliseconds. */
export interface LoopDelay {
  /** By the clock: other processes count, where the machine is busy. */
  readonly wall: number;
  /** CPU time of this process's main thread between two looks a millisecond apart. */
  readonly cpu: number;
}

const SCHEDULER_STATISTICS = `/proc/self/task/${process.pid}/schedstat`;

/** In milliseconds. Other threads, which sign, compress and collect garbage, do not hold the loop. */
function mainThreadCpu(): number {
  return Number(readFileSync(SCHEDULER_STATISTICS, "latin1").split(" ", 1)[0]) / 1e6;
}

/** Watches the event loop of this process from now on. @returns ends it, and tells the longest delay */
function watchLoop(): () => LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  let cpu = 0;
  let before = mainThreadCpu();
  const look = (): void => {
    const now = mainThreadCpu();
    cpu = Math.max(cpu, now - before);
    before = now;
  };
  const timer = setInterval(look, 1);
  return () => {
    look();
    clearInterval(timer);
    histogram.disable();
    return { wall: histogram.max / 1e6, cpu };
  };
}

let end: (() => LoopDelay) | undefined;

/** What a server answers about its event loop. */
export const LOOP_WATCH = {
  watchLoop(): void {
    end?.();
    end = watchLoop();
  },
  loopDelay(): LoopDelay | undefined {
    const delay = end?.();
    end = undefined;
    return delay;
  },
};
