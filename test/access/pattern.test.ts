import fc from "fast-check";
import { compilePattern, patternProblem } from "../../src/access/patterns/pattern.js";
import { PatternSet } from "../../src/access/patterns/pattern-set.js";
import { LruMap } from "../../src/util/lru-map.js";

test.each([
  ["news", ["news"], ["news2", "new", "News", "news."]],
  ["*", ["news", "a.b.c", "é"], []],
  ["chat-*", ["chat-", "chat-1", "chat-a.b"], ["chat", "achat-1"]],
  ["a.chat-*", ["a.chat-1", "a.chat-1.x"], ["a.chat", "b.chat-1", "a"]],
  ["orders.*", ["orders.42"], ["orders", "orders.", "orders.42.x", "xorders.42", "orders.."]],
  ["*.paid", ["42.paid"], ["paid", ".paid", "a.b.paid"]],
  ["orders.*.paid", ["orders.42.paid"], ["orders.paid", "orders..paid", "orders.4.2.paid", "orders.42.paid.x"]],
  ["*.*", ["a.b"], ["a", "a.b.c"]],
  ["orders.>", ["orders.1", "orders.1.2"], ["orders", "orders.", "orders.1.", "orders..1", "order.1"]],
  ["a.*.>", ["a.b.c", "a.b.c.d"], ["a.b", "a", "b.b.c"]],
  ["re:chat-[0-9]+", ["chat-1", "chat-42"], ["chat-", "xchat-1", "chat-1x", "chat-1\nchat-2"]],
  ["re:a|b", ["a", "b"], ["ab", "ax", "xb"]],
  ["re:(?i)news", ["NEWS"], ["new"]],
  ["re:^a.b$", ["a.b", "axb"], ["a.bc"]],
  ["re:[é😀]", ["é", "😀"], ["e"]],
  ["a(b", ["a(b"], ["ab"]],
])("A6: %s matches the names that it describes", (pattern, names, others) => {
  const matches = compilePattern(pattern);
  expect(names.filter((name) => !matches(name))).toEqual([]);
  expect(others.filter((name) => matches(name))).toEqual([]);
});

test.each([
  ["", "is empty"],
  ["a*b", "whole segment"],
  ["a*.b", "whole segment"],
  ["*a", "whole segment"],
  ["**", "whole segment"],
  ["a.**", "whole segment"],
  [">", "at the end"],
  ["a>", "at the end"],
  ["a.>.b", "at the end"],
  ["a.b>", "at the end"],
  ["*.a*", "cannot be combined"],
  ["a b", "whitespace"],
  ["a\u0000*", "whitespace or a control"],
  [`${"a".repeat(255)}*`, "longer than 255 bytes"],
  ["é".repeat(128), "longer than 255 bytes"],
  ["re:", "is empty"],
  ["re:(", "malformed"],
  ["re:(?=a)", "malformed"],
  [`re:${"a".repeat(1_025)}`, "longer than 1024 bytes"],
])("A6: refuses the invalid pattern %j", (pattern, problem) => {
  expect(patternProblem(pattern)).toContain(problem);
  expect(() => compilePattern(pattern)).toThrow(expect.objectContaining({ code: "invalid_argument" }));
});

test("A6: matches a plain name only with itself", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z.]{1,20}$/), fc.stringMatching(/^[a-z.]{1,20}$/), (pattern, name) => {
      expect(compilePattern(pattern)(name)).toBe(pattern === name);
    }),
  );
});

test("A6: matches segments like the equivalent regular expression", () => {
  const segment = fc.constantFrom("a", "b", "*");
  const name = fc.array(fc.constantFrom("a", "b", ""), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(segment, { minLength: 1, maxLength: 4 }), fc.boolean(), name, (segments, open, parts) => {
      if (!open && segments.length === 1) return;
      const pattern = [...segments, ...(open ? [">"] : [])].join(".");
      const expected = `^${segments.map((text) => (text === "*" ? "[^.]+" : text)).join("\\.")}${open ? "(?:\\.[^.]+)+" : ""}$`;
      expect(compilePattern(pattern)(parts.join("."))).toBe(new RegExp(expected).test(parts.join(".")));
    }),
  );
});

/** CPU time of this process, in milliseconds, independent of the machine's load. */
function cost(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { system, user } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

test.each([
  "(a+)+$",
  "(a|aa)+$",
  "(a*)*b",
  "(.*)*(.*)*(.*)*[^a]",
  "(?:a?){250}a{250}",
  "(x+x+)+y",
  "([a-z]+)*\\.([a-z]+)*=",
])("A6: matches the expression %s in milliseconds, whatever the name", (expression) => {
  const matches = compilePattern(`re:${expression}`);
  const names = ["a".repeat(255), `${"a".repeat(254)}!`, "x".repeat(255), "ax".repeat(127)];
  for (const name of names) expect(cost(() => matches(name))).toBeLessThan(200);
});

test.each([
  "((x{1000}){1000})",
  "(((x{10}){10}){10}){10}",
  "x{1001}",
  "(?:x{500}){3}",
  "(.{0,1000})".repeat(50),
  `(${"a".repeat(900)}){1000}`,
  `(${"a".repeat(900)}\\Q)\\E){1000}`,
  `(${"a".repeat(900)}\\Q(\\E){1000}`,
  `(${"a".repeat(900)}[)]){1000}`,
  `(${"a".repeat(900)}[]()]){1000}`,
  `(${"a".repeat(900)}[[:alpha:])]){1000}`,
  `(${"a".repeat(900)}\\)){1000}`,
  `(${"a".repeat(900)})+`.concat("{2}"),
  "[a-z]{300}".repeat(4),
])("A15: refuses the expression %.40s before compiling it", (expression) => {
  let problem: string | undefined;
  expect(
    cost(() => {
      problem = patternProblem(`re:${expression}`);
    }),
  ).toBeLessThan(100);
  expect(problem).toMatch(/too large|malformed/);
});

test("A15: weighs an expression of long alternatives by its length, as its program is small", () => {
  const alternatives = Array.from({ length: 250 }, (_, number) => `w${number.toString(36)}`).join("|");
  expect(compilePattern(`re:(${alternatives})`).weight).toBe(Math.ceil((alternatives.length + 2) / 4));
  expect(compilePattern("re:[ab]{60}").weight).toBeLessThan(70);
});

test.each([
  "[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}",
  "(?:user|team)-\\d{1,10}(?:\\.[\\w-]{1,64})*",
])("A6: accepts the common expression %s", (expression) => {
  expect(patternProblem(`re:${expression}`)).toBeUndefined();
});

test("shares compiled patterns", () => {
  expect(compilePattern("shared.*")).toBe(compilePattern("shared.*"));
  expect(compilePattern("re:shared-\\d")).toBe(compilePattern("re:shared-\\d"));
});

test("A6: a set finds the first matching pattern, whole names first, on every look-up", () => {
  const many = new PatternSet(["exact", ...Array.from({ length: 20 }, (_, number) => `p${number}.*`), "p*", "p1.x"]);
  for (let round = 0; round < 2; round += 1) {
    expect(many.find("exact")).toBe("exact");
    expect(many.find("p1.x")).toBe("p1.x");
    expect(many.find("p7.y")).toBe("p7.*");
    expect(many.find("pq")).toBe("p*");
    expect(many.find("other")).toBeUndefined();
  }
  for (let number = 0; number < 500; number += 1) expect(many.find(`p3.${number}`)).toBe("p3.*");
});

test("an LRU map drops the least recently used entry", () => {
  const map = new LruMap<string, number>(2);
  map.set("a", 1);
  map.set("b", 2);
  expect(map.get("a")).toBe(1);
  map.set("c", 3);
  expect([map.get("a"), map.get("b"), map.get("c"), map.size]).toEqual([1, undefined, 3, 2]);
  map.set("c", 4);
  expect([map.get("a"), map.get("c")]).toEqual([1, 4]);
});
