import { WorkerDirectory } from "../../src/workers/directory/directory.js";
import { bySpecificity } from "../../src/workers/directory/specificity.js";

function found(directory: WorkerDirectory, event: string, vhost = "/", wantsAnswer = true): Record<string, string[]> {
  return Object.fromEntries(
    directory.find(vhost, event, wantsAnswer).map(({ nodes, pattern }) => [pattern, [...nodes].toSorted()]),
  );
}

test("sorts patterns by specificity, independent of the order in which they are added", () => {
  const patterns = ["chat.rooms", "orders", "chat.room-*", "chat*", "c*", "chat.*.paid", "*.rooms.*", "chat.>"];
  const sorted = [...patterns, "*.>", "re:a", "re:b", "*"];
  expect(sorted.toReversed().toSorted(bySpecificity)).toEqual(sorted);
  expect(sorted.toSorted().toSorted(bySpecificity)).toEqual(sorted);
});

test("finds the matching patterns, the most specific first, with their nodes", () => {
  const directory = new WorkerDirectory();
  directory.add("a", ["/", "*"]);
  directory.add("b", ["/", "chat/*"]);
  directory.add("a", ["/", "chat/*"]);
  directory.add("b", ["/", "chat/1"]);
  directory.add("c", ["/x", "chat/1"]);
  expect(directory.find("/", "chat/1", true).map(({ pattern }) => pattern)).toEqual(["chat/1", "chat/*", "*"]);
  expect(found(directory, "chat/1")).toEqual({ "chat/1": ["b"], "chat/*": ["a", "b"], "*": ["a"] });
  expect(found(directory, "chat/1", "/x")).toEqual({ "chat/1": ["c"] });
  expect(found(directory, "chat/*")).toEqual({ "chat/*": ["a", "b"], "*": ["a"] });
  expect(found(directory, "chat/1", "/y")).toEqual({});
});

test("searches again after a change", () => {
  const directory = new WorkerDirectory();
  directory.add("a", ["/", "chat/*"]);
  expect(found(directory, "chat/1")).toEqual({ "chat/*": ["a"] });
  directory.add("b", ["/", "chat/*"]);
  directory.add("b", ["/", "chat/1"]);
  expect(found(directory, "chat/1")).toEqual({ "chat/1": ["b"], "chat/*": ["a", "b"] });
  directory.remove("b", ["/", "chat/1"]);
  directory.remove("b", ["/", "chat/1"]);
  directory.remove("c", ["/", "chat/*"]);
  expect(found(directory, "chat/1")).toEqual({ "chat/*": ["a", "b"] });
  directory.remove("a", ["/", "chat/*"]);
  directory.remove("a", ["/", "chat/*"]);
  expect(found(directory, "chat/1")).toEqual({ "chat/*": ["b"] });
  directory.remove("b", ["/", "chat/*"]);
  expect(found(directory, "chat/1")).toEqual({});
});

test("refuses an invalid pattern and changes nothing", () => {
  const directory = new WorkerDirectory();
  expect(() => {
    directory.add("a", ["/", "a b"]);
  }).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  expect(found(directory, "a b")).toEqual({});
});

test("finds workers that cannot answer for triggers only, beside others of the same pattern", () => {
  const directory = new WorkerDirectory();
  const triggered = (event: string) => found(directory, event, "/", false);
  directory.add("a", ["/", "*", "triggers"]);
  expect([found(directory, "e"), triggered("e")]).toEqual([{}, { "*": ["a"] }]);
  directory.add("a", ["/", "*"]);
  directory.add("b", ["/", "*"]);
  directory.add("c", ["/", "e", "triggers"]);
  expect(found(directory, "e")).toEqual({ "*": ["a", "b"] });
  expect(triggered("e")).toEqual({ e: ["c"], "*": ["a", "b"] });
  directory.remove("a", ["/", "*"]);
  expect([found(directory, "e"), triggered("f")]).toEqual([{ "*": ["b"] }, { "*": ["a", "b"] }]);
  directory.remove("a", ["/", "*", "triggers"]);
  directory.remove("c", ["/", "e", "triggers"]);
  expect([found(directory, "e"), triggered("e")]).toEqual([{ "*": ["b"] }, { "*": ["b"] }]);
});

test("X20: rotates among nodes, and lists a node with workers of both kinds twice", () => {
  const directory = new WorkerDirectory();
  const firsts = (count: number) =>
    Array.from({ length: count }, () => directory.find("/", "e", false)[0]?.rotate() ?? []).map(([first]) => first);
  directory.add("a", ["/", "*"]);
  directory.add("b", ["/", "*", "triggers"]);
  directory.add("c", ["/", "*"]);
  expect(firsts(9).toSorted().join("")).toBe("aaabbbccc");
  expect(new Set(firsts(3)).size).toBe(3);
  expect(directory.find("/", "e", false)[0]?.rotate().toSorted()).toEqual(["a", "b", "c"]);
  directory.add("b", ["/", "*"]);
  expect(firsts(8).toSorted().join("")).toBe("aabbbbcc");
  // Each pattern has its own rotation: with a shared one, alternating events would always reach the same node.
  directory.add("a", ["/", "x", "triggers"]);
  directory.add("b", ["/", "x", "triggers"]);
  const both = Array.from({ length: 6 }, () => {
    firsts(1);
    return directory.find("/", "x", false)[0]?.rotate()[0];
  });
  expect(both.toSorted().join("")).toBe("aaabbb");
});

test("lets the bus choose only when its group holds exactly the nodes that may get the task", () => {
  const directory = new WorkerDirectory();
  directory.add("a", ["/", "*"]);
  const grouped = (wantsAnswer: boolean) => directory.find("/", "e", wantsAnswer).map((entry) => entry.grouped);
  expect([grouped(true), grouped(false)]).toEqual([[true], [true]]);
  directory.add("b", ["/", "*", "triggers"]);
  expect([grouped(true), grouped(false)]).toEqual([[true], [false]]);
});
