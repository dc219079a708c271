import fc from "fast-check";
import type { Message } from "../../../src/core/message.js";
import { COUNT } from "../../../src/dialects/dialect.js";
import { payloadOfValue, payloadValue } from "../../../src/dialects/json.js";
import { authenticated, done, open } from "./support.js";

function broadcast(message: Partial<Message>, topic = "c"): string {
  const { encoding } = open();
  const all = { id: "m", event: "e", sender: "", time: 0, payload: Buffer.from("1"), ...message };
  return encoding.text(all, encoding.topicText(topic));
}

test("B13: writes a broadcast with exactly these members in this order", () => {
  expect(broadcast({ payload: Buffer.from('{"a":1}') }).replace(COUNT, "7")).toBe(
    '{"method":"broadcast","params":{"id":"m","seq":7,"createTime":"1970-01-01T00:00:00.000Z","channel":"c","event":"e","payload":{"a":1}}}',
  );
});

test("B14: writes the count in a single position, at seq, for any message", () => {
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
])("D3: writes the payload %j as %s in a broadcast", (payload, value) => {
  expect(broadcast({ payload: Buffer.from(payload) })).toContain(`,"payload":${value}}}`);
});

test("D3: writes bytes that are not text as base64, and marks them", () => {
  expect(broadcast({ payload: Buffer.from("ff00", "hex") })).toContain(',"payload":"/wA=","encoding":"base64"}}');
});

test("D3: passes JSON of any depth on", () => {
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  expect(broadcast({ payload: Buffer.from(deep) })).toContain(deep);
});

test("D3: delivers to one client what another publishes", () => {
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

test("D3: publishes a string as its characters, for readers without JSON", () => {
  const publish = { id: 1, method: "publish", params: { channel: "c", event: "e", payload: "hello" } };
  expect(done(authenticated(), publish).command).toMatchObject({ payload: Buffer.from("hello") });
  const number = { id: 1, method: "publish", params: { channel: "c", event: "e", payload: "5" } };
  expect(done(authenticated(), number).command).toMatchObject({ payload: Buffer.from('"5"') });
});

test("D4: writes an empty event for a message without one, in the answer too", () => {
  expect(broadcast({ event: "" })).toContain('"event":""');
  const publish = { id: 1, method: "publish", params: { channel: "c", event: "", payload: 1 } };
  expect(done(authenticated(), publish).answer).toContain('"event":""');
});
