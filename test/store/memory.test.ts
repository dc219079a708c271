import { MemoryStore } from "../../src/store/memory.js";
import { storeContract } from "../contract/store.js";
import { ManualClock } from "../support/manual-clock.js";

storeContract("memory", async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock, onError: () => {} });
  await store.start();
  return { stores: [store, store], clock };
});

test("is not shared between nodes", () => {
  expect(new MemoryStore({ clock: new ManualClock(), onError: () => {} }).shared).toBe(false);
});

test("removes expired entries without a read, and leaves no timer", async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock, onError: () => {} });
  for (let number = 0; number < 1_000; number += 1) {
    await store.create(`tokens/${number}`, "", { expires: clock.now() + number });
  }
  expect(clock.timers).toBe(1);
  clock.advance(2_000);
  expect(clock.timers).toBe(0);
});

test("hides an expired entry before its timer has fired", async () => {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock, onError: () => {} });
  await store.create("a", "", { expires: 1_000 });
  await store.create("b", "", { expires: 1_010 });
  clock.advance(1_010);
  expect(await store.list("")).toEqual([]);
  expect(clock.timers).toBe(1);
});

test("reports the exception of a watcher", async () => {
  const errors: string[] = [];
  const store = new MemoryStore({ clock: new ManualClock(), onError: (message) => errors.push(message) });
  await store.watch("", () => {
    throw new Error("no");
  });
  await store.create("a", "secret");
  expect(errors).toEqual(["watcher failed on a change of store entry a: no"]);
});
