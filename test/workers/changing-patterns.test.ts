import { setImmediate } from "node:timers/promises";
import { cleanUp } from "../support/clean-up.js";
import { type Outcome, registerEcho, startLocalDispatch, startTask, type TestDispatch } from "./support.js";

/** Returns expressions that match a long name, each after more than a turn of the event loop. */
function costlyPatterns(set: string): readonly string[] {
  return [1, 2, 3].map((number) => `re:[ab]*a[ab]{900}|${set}{${number}}|[ab]*`);
}

/** Replaces the workers' patterns in every turn, so that there is always a worker. */
async function changePatterns(node: TestDispatch, isOver: () => boolean): Promise<void> {
  let registration = await registerEcho(node, costlyPatterns("c"));
  for (let turn = 0; !isOver(); turn += 1) {
    const next = await registerEcho(node, costlyPatterns(turn % 2 === 0 ? "d" : "c"));
    registration.unregister();
    registration = next;
    await setImmediate();
  }
}

function isRefused(outcome: Outcome): boolean {
  return "code" in outcome && outcome.code === "resource_exhausted";
}

test("refuses a task when patterns change repeatedly while its event is matched", async () => {
  const node = await startLocalDispatch();
  let over = false;
  cleanUp(() => {
    over = true;
  });
  const changing = changePatterns(node, () => over);
  let outcome: Outcome = { parts: [] };
  for (let number = 0; !isRefused(outcome); number += 1) {
    const event = `${"ab".repeat(100)}${number.toString(2).replaceAll("0", "a").replaceAll("1", "b")}`;
    outcome = await startTask(node.dispatch, event).outcome;
    await setImmediate();
  }
  expect(outcome).toMatchObject({ message: expect.stringContaining("changed repeatedly") });
  expect(node.errors).toEqual([]);
  over = true;
  await changing;
});
