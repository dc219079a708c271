import { ChangeQueue } from "../../src/control/change-queue.js";

test("C6: returns changes in order, including those pushed while it waits", async () => {
  const queue = new ChangeQueue<number>(3);
  queue.push(1);
  queue.push(2);
  expect([await queue.next(), await queue.next()]).toEqual([1, 2]);
  const next = queue.next();
  queue.push(3);
  expect(await next).toBe(3);
});

test("C6, O6: ends a watch that is read too slowly with resource_exhausted", async () => {
  const queue = new ChangeQueue<number>(3);
  for (const value of [1, 2, 3]) queue.push(value);
  expect(await queue.next()).toBe(1);
  queue.push(4);
  queue.push(5);
  const slow = { code: "resource_exhausted", message: "the watcher reads too slowly: 3 changes are pending" };
  await expect(queue.next()).rejects.toMatchObject(slow);
  queue.push(6);
  queue.fail(new Error("later"));
  await expect(queue.next()).rejects.toMatchObject(slow);
});

test("C6: rejects a pending read when the queue ends", async () => {
  const queue = new ChangeQueue<number>(3);
  const next = queue.next();
  queue.fail(new Error("the end"));
  await expect(next).rejects.toThrow("the end");
});
