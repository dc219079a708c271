import { TrimmedTopics } from "../../../src/brokers/memory/trimmed-topics.js";

test("H3: remembers the newest removed message of each topic", () => {
  const trimmed = new TrimmedTopics(10, 2);
  expect(trimmed.find("a")).toBe(10);
  trimmed.add("a", 12);
  trimmed.add("b", 15);
  trimmed.add("b", 9);
  expect([trimmed.find("a"), trimmed.find("b"), trimmed.find("c")]).toEqual([12, 10, 10]);
});

test("H3: refuses older positions of all forgotten topics when it has forgotten one", () => {
  const trimmed = new TrimmedTopics(0, 2);
  trimmed.add("a", 5);
  trimmed.add("b", 3);
  trimmed.add("a", 6);
  trimmed.add("c", 7);
  expect(["a", "b", "c", "d"].map((topic) => trimmed.find(topic))).toEqual([6, 3, 7, 3]);
  trimmed.add("d", 4);
  expect(["a", "b", "c", "d", "e"].map((topic) => trimmed.find(topic))).toEqual([6, 6, 7, 4, 6]);
});

test("H3: forgets a topic that it hands over", () => {
  const trimmed = new TrimmedTopics(0, 1);
  trimmed.add("a", 5);
  expect(trimmed.take("a")).toBe(5);
  trimmed.add("b", 8);
  expect([trimmed.find("a"), trimmed.find("b")]).toEqual([0, 8]);
});
