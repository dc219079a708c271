import { Directory } from "../../src/workers/directory.js";
import { bySpecificity } from "../../src/workers/specificity.js";

function found(directory: Directory, event: string, vhost = "/"): Record<string, string[]> {
  return Object.fromEntries(directory.find(vhost, event).map(({ nodes, pattern }) => [pattern, [...nodes].toSorted()]));
}

test("the order of patterns, however they come", () => {
  const patterns = ["chat.rooms", "orders", "chat.room-*", "chat*", "c*", "chat.*.paid", "*.rooms.*", "chat.>"];
  const sorted = [...patterns, "*.>", "re:a", "re:b", "*"];
  expect(sorted.toReversed().toSorted(bySpecificity)).toEqual(sorted);
  expect(sorted.toSorted().toSorted(bySpecificity)).toEqual(sorted);
});

test("what matches is found, the most specific first, with the nodes that have it", () => {
  const directory = new Directory();
  directory.add("a", ["/", "*"]);
  directory.add("b", ["/", "chat/*"]);
  directory.add("a", ["/", "chat/*"]);
  directory.add("b", ["/", "chat/1"]);
  directory.add("c", ["/x", "chat/1"]);
  expect(directory.find("/", "chat/1").map(({ pattern }) => pattern)).toEqual(["chat/1", "chat/*", "*"]);
  expect(found(directory, "chat/1")).toEqual({ "chat/1": ["b"], "chat/*": ["a", "b"], "*": ["a"] });
  expect(found(directory, "chat/1", "/x")).toEqual({ "chat/1": ["c"] });
  expect(found(directory, "chat/*")).toEqual({ "chat/*": ["a", "b"], "*": ["a"] });
  expect(found(directory, "chat/1", "/y")).toEqual({});
});

test("what was found is found anew when something changes", () => {
  const directory = new Directory();
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
  const directory = new Directory();
  expect(() => {
    directory.add("a", ["/", "a b"]);
  }).toThrow(expect.objectContaining({ code: "invalid_argument" }));
  expect(directory.placesOf("a")).toEqual([]);
});
