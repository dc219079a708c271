import { RecentIds } from "../../src/history/recent-ids.js";

/** Bytes for all ids of these tests. */
const AMPLE = 1_000_000;

test("H5: finds an id on its topic until the window has passed", () => {
  const ids = new RecentIds();
  ids.add("a", "1", { sequence: 7, at: 100 }, AMPLE);
  expect(ids.find("a", "1", 99)).toBe(7);
  expect(ids.find("a", "1", 100)).toBeUndefined();
  expect(ids.find("b", "1", 0)).toBeUndefined();
  expect(ids.find("a", "2", 0)).toBeUndefined();
});

test("H5: keeps a topic and an id apart from another pair with the same characters", () => {
  const ids = new RecentIds();
  ids.add("a", "b c", { sequence: 1, at: 1 }, AMPLE);
  expect(ids.find("a b", "c", 0)).toBeUndefined();
});

test("H5: forgets the oldest ids when there are too many", () => {
  const ids = new RecentIds(2);
  for (const [index, id] of ["1", "2", "1", "3"].entries()) ids.add("a", id, { sequence: index, at: index }, AMPLE);
  expect(["1", "2", "3"].map((id) => ids.find("a", id, -1))).toEqual([2, undefined, 3]);
  expect(ids.size).toBe(2);
});

test("H5: removes at most as many expired ids as requested", () => {
  const ids = new RecentIds();
  for (let at = 1; at <= 5; at += 1) ids.add("a", String(at), { sequence: at, at }, AMPLE);
  expect(ids.oldest).toBe(1);
  expect(ids.expire(3, 2)).toBe(2);
  expect(ids.expire(3, 10)).toBe(1);
  expect(ids.expire(3, 10)).toBe(0);
  expect(ids.oldest).toBe(4);
  ids.clear();
  expect([ids.size, ids.oldest]).toEqual([0, undefined]);
});

function longId(letter: string): string {
  return letter.repeat(255);
}

test("H5, L21: forgets the oldest ids when they have too many bytes", () => {
  const ids = new RecentIds();
  for (const [at, letter] of ["a", "b", "c"].entries()) ids.add("topic", longId(letter), { sequence: at, at }, 1_500);
  expect(["a", "b", "c"].map((letter) => ids.find("topic", longId(letter), -1))).toEqual([undefined, 1, 2]);
  expect(ids.bytes).toBeLessThanOrEqual(1_500);
  ids.add("topic", longId("d"), { sequence: 3, at: 3 }, 1_000);
  expect([ids.size, ids.find("topic", longId("d"), -1)]).toEqual([1, 3]);
  ids.clear();
  expect(ids.bytes).toBe(0);
});
