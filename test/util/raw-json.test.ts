import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import {
  findSecondElement,
  findValueText,
  findValueTexts,
  readFirstName,
  readMemberNames,
  removeMembers,
  replaceValues,
  splitElements,
} from "../../src/util/raw-json.js";

/** Generates names as JSON text: plain, or with every character escaped. */
const names = fc.oneof(fc.constantFrom("sid", "channel", "data", "1", "__proto__", "", '"', "\\"), fc.string());
const writtenNames = names.chain((name) =>
  fc.constantFrom(JSON.stringify(name), `"${escaped(name)}"`).map((text) => ({ name, text })),
);
const spaces = fc.constantFrom("", " ", "\n\t ");
const values = fc.oneof(fc.json(), fc.constantFrom('"}"', '{"sid":1}', '["\\"","]"]', "1e400", "12345678901234567890"));
const written = fc.array(fc.tuple(writtenNames, values, spaces, spaces));

/** Escapes every UTF-16 unit. */
function escaped(name: string): string {
  const units = Array.from({ length: name.length }, (_, at) => name.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}

type Members = typeof written extends fc.Arbitrary<infer T> ? T : never;

function textOf(members: Members): string {
  const inner = members.map(([{ text }, value, before, after]) => `${before}${text}${after}:${before}${value}${after}`);
  return ` {${inner.join(",")} }\n`;
}

/** Reads the value with JSON.parse, which uses the last duplicate too. */
function read(text: string): [string, unknown][] {
  return Object.entries(JSON.parse(text) as object);
}

test("X1: reads the first member in the order of the text", () => {
  fc.assert(
    fc.property(written, (members) => {
      expect(readFirstName(textOf(members))).toBe(members[0]?.[0].name);
    }),
  );
  expect(readFirstName('{"b":1,"1":2}')).toBe("b");
});

test("X5: finds the raw value of a member, and of duplicates the last one", () => {
  fc.assert(
    fc.property(written, names, (members, name) => {
      const expected = members.findLast(([member]) => member.name === name)?.[1].trim();
      expect(findValueText(textOf(members), name)).toBe(expected);
    }),
  );
});

test("X5: removes some members and leaves the others unchanged", () => {
  fc.assert(
    fc.property(written, fc.constantFrom<readonly string[]>(["sid", "channel"], ["uid"], []), (members, without) => {
      const text = textOf(members);
      const kept = read(text).filter(([name]) => !without.includes(name));
      expect(read(`{${removeMembers(text, without)}}`)).toEqual(kept);
    }),
    { numRuns: 500 },
  );
  expect(removeMembers('{"a":1.10, "sid":2 ,"b":{"sid":3}}', ["sid"])).toBe('"a":1.10,"b":{"sid":3}');
  expect(removeMembers('{ "a" : 1e400 }', ["sid"])).toBe('"a" : 1e400');
});

test("I7: finds the raw second element of an array", () => {
  const rest = fc.array(values, { maxLength: 3 });
  fc.assert(
    fc.property(writtenNames, rest, spaces, ({ text }, elements, space) => {
      const inner = [text, ...elements].map((element) => `${space}${element}${space}`);
      expect(findSecondElement(`${space}[${inner.join(",")}]`)).toBe(elements[0]?.trim());
    }),
  );
});

test("splits an array into its raw elements", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(values, spaces, spaces)), spaces, (elements, space) => {
      const text = `${space}[${elements.map(([value, before, after]) => before + value + after).join(",") || space}]${space}`;
      expect([...splitElements(text)]).toEqual(elements.map(([value]) => value.trim()));
    }),
  );
});

test("replaces the values of a member and leaves all other text unchanged", () => {
  const text = ' {"a" : 1.0 ,"b":{"a":2},"\\u0061":"}" }';
  expect(replaceValues(text, "a", (value) => `<${value}>`)).toBe(' {"a" :<1.0>,"b":{"a":2},"\\u0061":<"}">}');
  expect(replaceValues(text, "c", () => "")).toBe(text);
});

test("X5, O13: leaves white space and escapes of other members unchanged", () => {
  expect(removeMembers('{ "\\u0061" : [ 1 ] , "b":2 }', ["sid"])).toBe('"\\u0061" : [ 1 ] , "b":2');
  expect(removeMembers('{ "\\u0061" : [ 1 ] , "s\\u0069d":0, "b" :2 }', ["sid"])).toBe('"\\u0061" : [ 1 ],"b" :2');
});

test("O13: finds several values at once, each of the last duplicate", () => {
  const text = '{"id":1,"b":{"id":2},"id" : 3.0 ,"\\u0062":"\\""}';
  expect(findValueTexts(text, ["b", "none", "id"])).toEqual(['"\\""', undefined, "3.0"]);
  expect(findValueTexts(" { } ", ["id"])).toEqual([undefined]);
  expect(readMemberNames(text)).toEqual(["id", "b", "id", "b"]);
});

/** Objects of about 1 MiB with an id at their end that are expensive to scan. */
const LARGE = 1 << 20;
const hard: readonly (readonly [string, string])[] = [
  ["many members", '"a":1,'.repeat(LARGE / 6)],
  ["many escaped names", '"\\u0061":1,'.repeat(LARGE / 11)],
  ["many escaped quotes", `"a":"${'\\"'.repeat(LARGE / 2)}",`],
  ["many backslashes", `"a":"${"\\\\".repeat(LARGE / 2)}",`],
  ["deep lists", `"a":${"[".repeat(LARGE / 2)}${"]".repeat(LARGE / 2)},`],
  ["deep objects", `"a":${'{"":'.repeat(LARGE / 5)}0${"}".repeat(LARGE / 5)},`],
  ["white space", `"a":1${" ".repeat(LARGE)},`],
];

test.each(hard)("O12: reads a text with %s in one pass", (_what, members) => {
  // Quadratic time would exceed the test's timeout.
  expect(findValueTexts(`{${members}"id":1.50}`, ["id", "payload"])).toEqual(["1.50", undefined]);
});

test("O6: does not keep the surrounding text of a value in memory", () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage = runInNewContext("gc") as () => void;
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  const kept = Array.from({ length: 64 }, (_, number) => {
    const text = Buffer.from(`{"payload":"${"x".repeat(LARGE)}","id":${number}0000000000000000000}`).toString();
    return findValueText(text, "id");
  });
  collectGarbage();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(32 * LARGE);
  expect(kept[1]).toBe("10000000000000000000");
});
