import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { RequestSchema } from "../../../gen/websockets/v1/websockets_pb.js";

/** Bodies of publish requests, from valid to arbitrary, in both formats. */

const space = fc.constantFrom("", "", "", "", "", "", " ", "\n", "\r\n\t ", "\f", "\u00a0");

const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("a", "b", "a topic", "größe", "\ud83c\udfb5", "@a", "") },
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.string({ maxLength: 300 }),
);

/** A string in JSON, with or without escapes, sometimes malformed. */
const jsonString = fc.oneof(
  { weight: 8, arbitrary: text.map((value) => JSON.stringify(value)) },
  text.map(
    (value) =>
      `"${value
        .split("")
        .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
        .join("")}"`,
  ),
  fc.constantFrom(
    '"\\ud800"',
    '"\ta"',
    '"\\x"',
    '"a\\"b\\\\"',
    '"open',
    '"\\/\\b\\f\\n\\r\\t"',
    '"\\u00"',
    '"\u007f\u2028"',
  ),
);

const jsonValue = fc.oneof(
  fc.json({ maxDepth: 3 }),
  jsonString,
  fc.constantFrom(
    "null",
    "5",
    "-0",
    "1e999",
    "1.10",
    "01",
    "true",
    "nul",
    "{}",
    "[]",
    '{"a":1,"a":2}',
    "[[1],{}]",
    "[",
    "}",
  ),
  fc.integer({ min: 1, max: 200 }).map((depth) => "[".repeat(depth) + "]".repeat(depth)),
);

const base64 = fc
  .oneof(
    { weight: 4, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString("base64")) },
    fc.uint8Array({ maxLength: 10 }).map((bytes) => Buffer.from(bytes).toString("base64url")),
    fc.string({ unit: fc.constantFrom("A", "B", "/", "+", "-", "_", "=", " ", "\u0141", "é"), maxLength: 9 }),
  )
  .map((value) => JSON.stringify(value));

const topics = fc.array(fc.oneof({ weight: 3, arbitrary: fc.constantFrom('"a"', '"b"') }, jsonString), {
  maxLength: 4,
});

const list = (items: readonly string[], between: string): string =>
  `[${between}${items.join(`${between},`)}${between}]`;

/** Members of a message. Some occur twice, have another type, or are unknown. */
const member = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(
      fc.constant('"topics"'),
      fc.tuple(topics, space).map(([all, gap]) => list(all, gap)),
    ),
  },
  { weight: 4, arbitrary: fc.tuple(fc.constant('"payload"'), base64) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('"text"'), jsonString) },
  { weight: 3, arbitrary: fc.tuple(fc.constant('"json"'), jsonValue) },
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom('"id"', '"event"'), jsonString) },
  {
    weight: 2,
    arbitrary: fc.tuple(
      fc.constantFrom('"command"', '"broker"'),
      fc.constantFrom('""', '"publish"', '"join"', '"memory"'),
    ),
  },
  fc.tuple(
    fc.constantFrom('"js\\u006fn"', '"\\u0074opics"', '"Topics"', '"other"', '"__proto__"', '""', "text"),
    jsonValue,
  ),
  fc.tuple(fc.constantFrom('"topics"', '"payload"', '"text"', '"id"', '"command"', '"stage"'), jsonValue),
);

const plainForm = fc.oneof(
  text.map((value) => `"text":${JSON.stringify(value)}`),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => `"payload":"${Buffer.from(bytes).toString("base64")}"`),
  fc.json({ maxDepth: 2 }).map((value) => `"json":${value}`),
);

/** A message with valid members, and sometimes one more, so that a single fault decides about the body. */
const message = fc
  .tuple(
    fc.constantFrom('"topics":["a"]', '"topics":["a","b"],"id":"1"'),
    fc.option(plainForm),
    fc.option(member),
    space,
  )
  .map(([first, form, more, gap]) => {
    const added = more === null ? [] : [`${gap}${more[0]}${gap}:${gap}${more[1]}${gap}`];
    return `{${[first, ...(form === null ? [] : [form]), ...added].join(",")}}`;
  });

const request = fc
  .tuple(fc.array(fc.oneof({ weight: 19, arbitrary: message }, jsonValue), { maxLength: 2 }), space)
  .map(([messages, gap]) => `${gap}{${gap}"messages"${gap}:${list(messages, gap)}${gap}}${gap}`);

const jsonText = fc.oneof(
  { weight: 12, arbitrary: request },
  jsonValue,
  fc.constantFrom(
    "",
    "{}",
    '{"messages":null}',
    '\ufeff{"messages":[]}',
    '{"messages":[]}}',
    '{"messages":[],"messages":[]}',
  ),
  fc.constantFrom(
    '{"messages":[],"other":1}',
    '{"m\\u0065ssages":[{"topics":["a"]}]}',
    '{"messages":{}}',
    '{"messages":[,]}',
  ),
);

/** Sometimes replaces, inserts or removes a byte. */
function damaged(bodies: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const damage = fc.record({ at: fc.nat(), byte: fc.nat(255), removed: fc.nat(1), inserted: fc.nat(1) });
  return fc.oneof(
    { weight: 4, arbitrary: bodies },
    fc.tuple(bodies, damage).map(([body, { at, byte, inserted, removed }]) => {
      const begin = at % (body.length + 1);
      const added = Buffer.alloc(inserted, byte);
      return Buffer.concat([body.subarray(0, begin), added, body.subarray(begin + removed)]);
    }),
  );
}

export const jsonBodies = damaged(jsonText.map((each) => Buffer.from(each)));

const protoRequest = fc
  .array(
    fc.record({
      command: fc.constantFrom("", "", "publish", "join"),
      topics: fc.array(fc.oneof({ weight: 3, arbitrary: fc.constantFrom("a", "b") }, text), { maxLength: 3 }),
      payload: fc.oneof(fc.constant(new Uint8Array()), fc.uint8Array({ maxLength: 200 })),
      broker: fc.constantFrom("", "", "memory", "other"),
      event: text,
      id: text,
      text: fc.oneof({ weight: 3, arbitrary: fc.constant("") }, text),
    }),
    { maxLength: 4 },
  )
  .map((messages) => Buffer.from(toBinary(RequestSchema, create(RequestSchema, { messages }))));

/** Field of an unknown number, or of a known one with another wire type. */
const otherField = fc
  .record({
    field: fc.constantFrom(1, 2, 3, 10, 13, 99),
    value: fc.nat(),
    type: fc.constantFrom(WireType.Varint, WireType.Bit32, WireType.Bit64, WireType.StartGroup),
  })
  .map(({ field, type, value }) => {
    const writer = new BinaryWriter().tag(field, type);
    if (type === WireType.Varint) writer.uint32(value);
    else if (type === WireType.Bit32) writer.fixed32(value);
    else if (type === WireType.Bit64) writer.fixed64(BigInt(value));
    else writer.tag(1, WireType.Varint).uint32(value).tag(field, WireType.EndGroup);
    return Buffer.from(writer.finish());
  });

export const protoBodies = damaged(
  fc.oneof(
    { weight: 8, arbitrary: protoRequest },
    { weight: 2, arbitrary: fc.tuple(protoRequest, otherField).map((parts) => Buffer.concat(parts)) },
    fc.tuple(protoRequest, otherField).map(([whole, field]) => {
      const inner = Buffer.concat([Buffer.from("120161", "hex"), field]);
      return Buffer.concat([whole, Buffer.from([0x0a, inner.length]), inner]);
    }),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  ),
);

const many = (count: number, one: string): Buffer => Buffer.from(`{"messages":[${Array(count).fill(one).join(",")}]}`);

/** Bodies at the limits of size, number and weight, and one with half of a surrogate pair. */
export const largeJsonBodies: readonly Buffer[] = [
  many(1_000, '{"topics":["a"]}'),
  many(1_001, '{"topics":["a"]}'),
  many(40_000, "{}"),
  many(9_000, '{"topics":[]}'),
  many(1, '{"topics":["a"],"text":"\\ud800"}'),
  many(1, `{"topics":["a"],"text":"${"x".repeat(200_000)}"}`),
  many(1, `{"topics":[${Array(30_000).fill('""').join(",")}]}`),
  many(2, `{"topics":["a"],"payload":"${"A".repeat(40_000)}"}`),
  many(1, `{"topics":["a"],"json":${"[".repeat(20_000)}${"]".repeat(20_000)}}`),
];
