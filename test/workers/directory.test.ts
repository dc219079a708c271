import { WorkerDirectory } from "../../src/workers/directory/directory.js";
import { bySpecificity } from "../../src/workers/directory/specificity.js";

function found(directory: WorkerDirectory, event: string, vhost = "/", wantsAnswer = true): Record<string, string[]> {
  return Object.fromEntries(
    directory.find(vhost, event, wantsAnswer).map(({ nodes, pattern }) => [pattern, [...nodes].toSorted()]),
  );
}

test("the order of patterns, however they come", () => {
  const patterns = ["chat.rooms", "orders", "chat.room-*", "chat*", "c*", "chat.*.paid", "*.rooms.*", "chat.>"];
  const sorted = [...patterns, "*.>", "re:a", "re:b", "*"];
  expect(sorted.toReversed().toSorted(bySpecificity)).toEqual(sorted);
  expect(sorted.toSorted().toSorted(bySpecificity)).toEqual(sorted);
});

test("what matches is found, the most specific first, with the nodes that have it", () => {
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

test("what was found is found anew when something changes", () => {
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
  directory.forget("a");
  directory.forget("a");
  expect(found(directory, "chat/1")).toEqual({ "chat/*": ["b"] });
  expect(directory.placesOf("a")).toEqual([]);
  expect(directory.placesOf("b")).toEqual([["/", "chat/*"]]);
  directory.forget("b");
  expect(found(directory, "chat/1")).toEqual({});
});

test("a pattern that is none is refused, and changes nothing", () => {
  const directory = new WorkerDirectory();
  expect(() => {
    directory.add("a", ["/", "a b"]);
  }).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  expect(directory.placesOf("a")).toEqual([]);
});

test("workers that cannot answer count for triggers alone, and one pattern may have both kinds", () => {
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
  expect(directory.placesOf("a")).toEqual([["/", "*", "triggers"]]);
  directory.forget("a");
  directory.forget("c");
  expect([found(directory, "e"), triggered("e")]).toEqual([{ "*": ["b"] }, { "*": ["b"] }]);
});

test("X20: each node has its turn, and one with workers of both kinds has two", () => {
  const directory = new WorkerDirectory();
  const turns = (count: number) =>
    Array.from({ length: count }, () => directory.find("/", "e", false)[0]?.turn() ?? []).map(([first]) => first);
  directory.add("a", ["/", "*"]);
  directory.add("b", ["/", "*", "triggers"]);
  directory.add("c", ["/", "*"]);
  expect(turns(9).toSorted().join("")).toBe("aaabbbccc");
  expect(new Set(turns(3)).size).toBe(3);
  expect(directory.find("/", "e", false)[0]?.turn().toSorted()).toEqual(["a", "b", "c"]);
  directory.add("b", ["/", "*"]);
  expect(turns(8).toSorted().join("")).toBe("aabbbbcc");
  // Another pattern's turns are its own: those that alternate would always meet the same node.
  directory.add("a", ["/", "x", "triggers"]);
  directory.add("b", ["/", "x", "triggers"]);
  const both = Array.from({ length: 6 }, () => {
    turns(1);
    return directory.find("/", "x", false)[0]?.turn()[0];
  });
  expect(both.toSorted().join("")).toBe("aaabbb");
});

test("the bus may choose only where it knows all nodes that may get the task", () => {
  const directory = new WorkerDirectory();
  directory.add("a", ["/", "*"]);
  const grouped = (wantsAnswer: boolean) => directory.find("/", "e", wantsAnswer).map((entry) => entry.grouped);
  expect([grouped(true), grouped(false)]).toEqual([[true], [true]]);
  directory.add("b", ["/", "*", "triggers"]);
  expect([grouped(true), grouped(false)]).toEqual([[true], [false]]);
});
