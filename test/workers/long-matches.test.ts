import { setImmediate } from "node:timers/promises";
import { TURN_STEPS } from "../../src/access/patterns/match-ahead.js";
import { matchSteps } from "../../src/access/patterns/match-steps.js";
import { patternWeight } from "../../src/access/patterns/pattern.js";
import { registerEcho, registerWorker, startLocalDispatch, startTask, type TestTask } from "./support.js";

const EVENT = "ab".repeat(125);

/** Returns expressions that match no event here and have nearly the largest weight that a worker may have. */
function costlyPatterns(set: string): readonly string[] {
  return [1, 2, 3].map((number) => `re:[ab]*a[ab]{900}${set}{${number}}`);
}

/** Returns the least number of turns of the event loop that matching these patterns takes. */
function turnsFor(patterns: readonly string[]): number {
  return Math.floor(matchSteps(patternWeight(patterns), EVENT) / TURN_STEPS);
}

/** Counts the turns of the event loop until the task has ended. */
async function turnsUntil({ outcome }: TestTask): Promise<number> {
  const ended = outcome.then(() => true);
  let turns = 0;
  while (!(await Promise.race([ended, setImmediate(false)]))) turns += 1;
  return turns;
}

/** Gives a task to a worker that can leave, and adds workers with costly patterns afterwards. */
async function startLongMatch() {
  const node = await startLocalDispatch();
  const first = await registerWorker(node, [EVENT]);
  const task = startTask(node.dispatch, EVENT);
  await first.assigned.next();
  const patterns = [...costlyPatterns("c"), ...costlyPatterns("d")];
  await registerEcho(node, [...patterns.slice(0, 3), "re:[ab]+"], {}, ({ attempt }) => `attempt ${attempt}`);
  await registerEcho(node, patterns.slice(3));
  return { node, task, turns: turnsFor(patterns), end: () => first.registration.unregister() };
}

test("A15: matches a task's event with new patterns in slices when its worker is lost", async () => {
  const { end, task, turns } = await startLongMatch();
  expect(turns).toBeGreaterThan(5);
  end();
  expect(await turnsUntil(task)).toBeGreaterThanOrEqual(turns);
  expect(await task.outcome).toEqual({ parts: ["attempt 2"] });
});

test("A15: gives a task that is cancelled during matching to no worker", async () => {
  const { end, node, task } = await startLongMatch();
  end();
  task.handle.cancel();
  const later = startTask(node.dispatch, EVENT);
  // The later task is matched after the cancelled one.
  expect(await later.outcome).toEqual({ parts: ["attempt 1"] });
  expect([task.ends(), node.dispatch.requested, node.errors]).toEqual([0, 0, []]);
});

test("A15: refuses a task when the node stops during matching", async () => {
  const { end, node, task } = await startLongMatch();
  end();
  await node.stop();
  expect(await task.outcome).toMatchObject({ code: "unavailable", message: "this node is stopping" });
});

test("A15: matches many events of short matches in shared slices", async () => {
  const node = await startLocalDispatch();
  const pattern = "re:[ab]*a[ab]{600}c";
  await registerEcho(node, [pattern, "re:[ab]+"], { capacity: 100 });
  expect(turnsFor([pattern])).toBe(0);
  const events = Array.from({ length: 20 }, (_, number) => EVENT.slice(number));
  const tasks = events.map((event) => startTask(node.dispatch, event));
  expect(Math.max(...(await Promise.all(tasks.map(turnsUntil))))).toBeGreaterThanOrEqual(10);
});
