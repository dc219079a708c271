import { monitorEventLoopDelay } from "node:perf_hooks";

/** The longest time for which the event loop was held, in milliseconds. */
export interface LoopDelay {
  /** By the clock: other processes count, where the machine is busy. */
  readonly wall: number;
  /** CPU time of this process between two looks a millisecond apart. */
  readonly cpu: number;
}

/** Watches the event loop of this process from now on. @returns ends it, and tells the longest delay */
function watchLoop(): () => LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  let cpu = 0;
  let before = process.cpuUsage();
  const look = (): void => {
    const now = process.cpuUsage();
    cpu = Math.max(cpu, now.user + now.system - before.user - before.system);
    before = now;
  };
  const timer = setInterval(look, 1);
  return () => {
    look();
    clearInterval(timer);
    histogram.disable();
    return { wall: histogram.max / 1e6, cpu: cpu / 1e3 };
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
