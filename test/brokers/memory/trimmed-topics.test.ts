import { TrimmedTopics } from "../../../src/brokers/memory/trimmed-topics.js";

/** Bytes for all topics of these tests. */
const AMPLE = 1_000_000;

test("H3: remembers the newest removed message of each topic", () => {
  const trimmed = new TrimmedTopics(10, 2);
  expect(trimmed.find("a")).toBe(10);
  trimmed.add("a", 12, AMPLE);
  trimmed.add("b", 15, AMPLE);
  trimmed.add("b", 9, AMPLE);
  expect([trimmed.find("a"), trimmed.find("b"), trimmed.find("c")]).toEqual([12, 10, 10]);
});

test("H3: refuses older positions of all forgotten topics when it has forgotten one", () => {
  const trimmed = new TrimmedTopics(0, 2);
  trimmed.add("a", 5, AMPLE);
  trimmed.add("b", 3, AMPLE);
  trimmed.add("a", 6, AMPLE);
  trimmed.add("c", 7, AMPLE);
  expect(["a", "b", "c", "d"].map((topic) => trimmed.find(topic))).toEqual([6, 3, 7, 3]);
  trimmed.add("d", 4, AMPLE);
  expect(["a", "b", "c", "d", "e"].map((topic) => trimmed.find(topic))).toEqual([6, 6, 7, 4, 6]);
});

test("H3: forgets a topic that it hands over", () => {
  const trimmed = new TrimmedTopics(0, 1);
  trimmed.add("a", 5, AMPLE);
  expect(trimmed.take("a")).toBe(5);
  trimmed.add("b", 8, AMPLE);
  expect([trimmed.find("a"), trimmed.find("b")]).toEqual([0, 8]);
});

test("H3, L21: forgets the least recently added topics when they have too many bytes", () => {
  const trimmed = new TrimmedTopics(0);
  const topics = Array.from({ length: 1_000 }, (_, number) => `${"x".repeat(200)}${number}`);
  for (const [index, topic] of topics.entries()) trimmed.add(topic, index + 1, 100_000);
  expect(trimmed.bytes).toBeLessThanOrEqual(100_000);
  expect(trimmed.bytes).toBeGreaterThan(99_000);
  expect(trimmed.find(topics.at(-1) ?? "")).toBe(1_000);
  // A forgotten topic has the sequence of the newest forgotten one.
  expect(trimmed.find(topics[0] ?? "")).toBe(trimmed.find("never added"));
});
