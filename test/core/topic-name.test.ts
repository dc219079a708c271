import { labelProblem, topicProblem } from "../../src/core/topic-name.js";

test.each([
  ["foo", undefined],
  ["orders.42", undefined],
  ["a*b>c%d", undefined],
  ["ünï/☂:🔔", undefined],
  ["a#b@c$", undefined],
  ["a".repeat(255), undefined],
  ["ü".repeat(127), undefined],
  ["", "is empty"],
  ["a".repeat(256), "is longer than 255 bytes"],
  ["ü".repeat(128), "is longer than 255 bytes"],
  ["@join", "begins with a reserved character (@, # or $)"],
  ["#error", "begins with a reserved character (@, # or $)"],
  ["$user", "begins with a reserved character (@, # or $)"],
  ["a b", "contains whitespace or a control character"],
  ["a\tb", "contains whitespace or a control character"],
  ["a\u00a0b", "contains whitespace or a control character"],
  ["a\u2028b", "contains whitespace or a control character"],
  ["a\u0000", "contains whitespace or a control character"],
  ["a\u007f", "contains whitespace or a control character"],
  ["a\u0085", "contains whitespace or a control character"],
  ["\ud83d", "is not valid Unicode"],
])("T1: checks the topic name %j", (name, problem) => {
  expect(topicProblem(name)).toBe(problem);
});

test.each([
  ["", undefined],
  ["order placed", undefined],
  ["@any ☂", undefined],
  ["a".repeat(256), "is longer than 255 bytes"],
  ["a\nb", "contains a control character"],
  [" a", "begins or ends with whitespace"],
  ["a\u00a0", "begins or ends with whitespace"],
  ["\udc00", "is not valid Unicode"],
])("T2: checks the label %j", (label, problem) => {
  expect(labelProblem(label)).toBe(problem);
});
