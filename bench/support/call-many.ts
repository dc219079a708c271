import { Histogram } from "./histogram.js";

export interface CallRun {
  readonly bytes: number;
  /** Number of concurrent calls. */
  readonly concurrency: number;
  readonly atLeast: number;
  readonly milliseconds: number;
}

export interface Called {
  readonly calls: number;
  /** Number of calls that were refused or answered wrongly. */
  readonly wrong: number;
  readonly milliseconds: number;
  /** Microseconds from call to answer; see Histogram. */
  readonly latency: readonly number[];
}

/** Calls until the time is over. @param call - resolves with whether the answer was correct */
export async function callMany(
  { concurrency, atLeast, bytes, milliseconds }: CallRun,
  call: (payload: Uint8Array) => Promise<boolean>,
): Promise<Called> {
  const payload = new Uint8Array(bytes).fill(97);
  const latency = new Histogram();
  const begin = performance.now();
  let calls = 0;
  let wrong = 0;
  const one = async (): Promise<void> => {
    while (calls < atLeast || performance.now() - begin < milliseconds) {
      calls += 1;
      const start = performance.now();
      if (!(await call(payload))) wrong += 1;
      latency.add((performance.now() - start) * 1_000);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  return { calls, wrong, milliseconds: performance.now() - begin, latency: latency.toJSON() };
}
