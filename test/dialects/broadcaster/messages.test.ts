import fc from "fast-check";
import type { Message } from "../../../src/core/message.js";
import { COUNT } from "../../../src/dialects/dialect.js";
import { payloadOfValue, payloadValue } from "../../../src/dialects/json.js";
import { authenticated, done, open } from "./support.js";

function broadcast(message: Partial<Message>, topic = "c"): string {
  const { encoding } = open();
  return encoding.textMaker(topic)({ id: "m", event: "e", sender: "", time: 0, payload: Buffer.from("1"), ...message });
}

test("B13: a broadcast has these members in this order, and nothing else", () => {
  expect(broadcast({ payload: Buffer.from('{"a":1}') }).replace(COUNT, "7")).toBe(
    '{"method":"broadcast","params":{"id":"m","seq":7,"createTime":"1970-01-01T00:00:00.000Z","channel":"c","event":"e","payload":{"a":1}}}',
  );
});

test("B14: whatever a message holds, there is one place for the count, and it is where seq is", () => {
  const texts = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("\0", '{"seq":\0}', '"\0"', '"\\u0000"'));
  expect(open().encoding.counted).toBe(true);
  fc.assert(
    fc.property(texts, texts, texts, texts, (topic, id, event, payload) => {
      const text = broadcast({ id, event, payload: Buffer.from(payload) }, topic);
      expect(text.split(COUNT)).toHaveLength(2);
      expect(JSON.parse(text.replace(COUNT, "42"))).toMatchObject({ params: { id, seq: 42, channel: topic } });
    }),
    { numRuns: 500 },
  );
});

test.each([
  ["hi", '"hi"'],
  ["", '""'],
  ['{"a":[1,2]}', '{"a":[1,2]}'],
  ['"hi"', '"hi"'],
  ["null", "null"],
  ["12345678901234567890", "12345678901234567890"],
  ["{", '"{"'],
])("D3: the payload %j is %s in a broadcast", (payload, value) => {
  expect(broadcast({ payload: Buffer.from(payload) })).toContain(`,"payload":${value}}}`);
});

test("D3: a payload that is no text is base64, and says so", () => {
  expect(broadcast({ payload: Buffer.from("ff00", "hex") })).toContain(',"payload":"/wA=","encoding":"base64"}}');
});

test("D3: JSON of any depth is passed on", () => {
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  expect(broadcast({ payload: Buffer.from(deep) })).toContain(deep);
});

test("D3: what one client publishes another one reads", () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.json(), fc.string({ unit: "binary" })), (value) => {
      const payload = payloadOfValue(value, () => JSON.stringify(value));
      const { base64, text } = payloadValue(payload);
      expect(base64).toBe(false);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 1_000 },
  );
});

test("D3: a text is published as it is, so that those read it who have no JSON", () => {
  const publish = { id: 1, method: "publish", params: { channel: "c", event: "e", payload: "hello" } };
  expect(done(authenticated(), publish).command).toMatchObject({ payload: Buffer.from("hello") });
  const number = { id: 1, method: "publish", params: { channel: "c", event: "e", payload: "5" } };
  expect(done(authenticated(), number).command).toMatchObject({ payload: Buffer.from('"5"') });
});

test("D4: a message without an event has the empty one, in its answer too", () => {
  expect(broadcast({ event: "" })).toContain('"event":""');
  const publish = { id: 1, method: "publish", params: { channel: "c", event: "", payload: 1 } };
  expect(done(authenticated(), publish).answer).toContain('"event":""');
});
