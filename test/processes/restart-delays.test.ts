import { RestartDelays } from "../../src/processes/restart-delays.js";
import { ManualClock } from "../support/manual-clock.js";

test("waits twice as long after each short run, at most 30 s, and not after a long one", () => {
  const clock = new ManualClock();
  const delays = new RestartDelays(clock);
  const runFor = (milliseconds: number): number => {
    delays.begin();
    clock.advance(milliseconds);
    return delays.next();
  };
  expect(Array.from({ length: 9 }, () => runFor(100))).toEqual([
    0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
  ]);
  expect(runFor(10_000)).toBe(0);
  expect(runFor(100)).toBe(500);
});

test("does not start when it was cancelled", () => {
  const clock = new ManualClock();
  const delays = new RestartDelays(clock);
  const started: string[] = [];
  delays.wait(500, () => started.push("first"));
  delays.cancel();
  clock.advance(1_000);
  delays.wait(500, () => started.push("second"));
  clock.advance(500);
  expect(started).toEqual(["second"]);
});
