import { setImmediate as nextTurn } from "node:timers/promises";
import { ManualClock } from "../support/manual-clock.js";
import { type SharedBus, startSharedBus } from "../support/nodes/shared-bus.js";
import { createMember, type TestMember } from "./support.js";

async function start(name: string, bus: SharedBus, clock: ManualClock): Promise<TestMember> {
  const made = createMember(name, bus, clock);
  const started = made.member.start();
  await nextTurn();
  clock.advance(300);
  await started;
  return made;
}

async function pair(ahead: number) {
  const bus = await startSharedBus();
  const clocks = [new ManualClock(), new ManualClock()] as const;
  clocks[1].set(ahead);
  const one = await start("one", bus, clocks[0]);
  const two = await start("two", bus, clocks[1]);
  const pass = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) {
      for (const clock of clocks) clock.advance(1_000);
      await nextTurn();
    }
  };
  return { one, two, clocks, pass };
}

test("N9: logs once, and exposes, a peer's clock that stays more than 5 s off", async () => {
  const { clocks, one, pass, two } = await pair(20_000);
  await pass(9);
  expect(one.errors).toEqual([]);
  await pass(60);
  expect(one.errors).toEqual([
    `the clock of node ${two.member.node} is 20 s ahead of this node's: tokens expire at different times, set the clocks by NTP`,
  ]);
  expect(two.errors).toEqual([
    expect.stringMatching(`the clock of node ${one.member.node} is 20 s behind this node's`),
  ]);
  expect(Math.round(one.member.clockDifference / 1_000)).toBe(20);

  clocks[1].set(-20_000);
  await pass(2);
  expect(one.member.clockDifference).toBeLessThan(1_000);
  clocks[1].set(-30_000);
  await pass(20);
  expect(one.errors).toHaveLength(2);
});

test("N9: does not log clocks that differ by a few seconds, or for a few seconds", async () => {
  const { clocks, one, pass } = await pair(4_000);
  await pass(20);
  clocks[1].set(60_000);
  await pass(8);
  clocks[1].set(-60_000);
  await pass(20);
  expect(one.errors).toEqual([]);
});
