import { readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

/** Longest time for which the event loop was blocked, in milliseconds. */
export interface LoopDelay {
  /** Wall-clock time, which includes other processes on a busy machine. */
  readonly wall: number;
  /** CPU time of this process's main thread between two samples a millisecond apart. */
  readonly cpu: number;
}

const SCHEDULER_STATISTICS = `/proc/self/task/${process.pid}/schedstat`;

/** Reads the CPU time of the main thread, in milliseconds. Threads that sign, compress or collect garbage do not block the loop. */
function readMainThreadCpu(): number {
  return Number(readFileSync(SCHEDULER_STATISTICS, "latin1").split(" ", 1)[0]) / 1e6;
}

/** Starts watching the event loop of this process. @returns a function that stops and returns the longest delay */
function watchLoop(): () => LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  let cpu = 0;
  let before = readMainThreadCpu();
  const sample = (): void => {
    const now = readMainThreadCpu();
    cpu = Math.max(cpu, now - before);
    before = now;
  };
  const timer = setInterval(sample, 1);
  return () => {
    sample();
    clearInterval(timer);
    histogram.disable();
    return { wall: histogram.max / 1e6, cpu };
  };
}

let end: (() => LoopDelay) | undefined;

/** Requests about its event loop that a server answers. */
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
