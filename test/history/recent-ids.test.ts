import { RecentIds } from "../../src/history/recent-ids.js";

test("H5: finds an id on its topic until the window has passed", () => {
  const ids = new RecentIds();
  ids.add("a", "1", { sequence: 7, at: 100 });
  expect(ids.find("a", "1", 99)).toBe(7);
  expect(ids.find("a", "1", 100)).toBeUndefined();
  expect(ids.find("b", "1", 0)).toBeUndefined();
  expect(ids.find("a", "2", 0)).toBeUndefined();
});

test("H5: keeps a topic and an id apart from another pair with the same characters", () => {
  const ids = new RecentIds();
  ids.add("a", "b c", { sequence: 1, at: 1 });
  expect(ids.find("a b", "c", 0)).toBeUndefined();
});

test("H5: forgets the oldest ids when there are too many", () => {
  const ids = new RecentIds(2);
  for (const [index, id] of ["1", "2", "1", "3"].entries()) ids.add("a", id, { sequence: index, at: index });
  expect(["1", "2", "3"].map((id) => ids.find("a", id, -1))).toEqual([2, undefined, 3]);
  expect(ids.size).toBe(2);
});

test("H5: removes at most as many expired ids as requested", () => {
  const ids = new RecentIds();
  for (let at = 1; at <= 5; at += 1) ids.add("a", String(at), { sequence: at, at });
  expect(ids.oldest).toBe(1);
  expect(ids.expire(3, 2)).toBe(2);
  expect(ids.expire(3, 10)).toBe(1);
  expect(ids.expire(3, 10)).toBe(0);
  expect(ids.oldest).toBe(4);
  ids.clear();
  expect([ids.size, ids.oldest]).toEqual([0, undefined]);
});
