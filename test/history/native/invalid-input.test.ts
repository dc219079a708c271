import fc from "fast-check";
import { connect, type TestClient } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { positionOf, ROOMS, store, storeAll } from "./support.js";

const vhosts = { "/": ROOMS };

/** Values of every JSON type, and numbers at and beyond the edges. */
const ODD_VALUES: readonly unknown[] = [
  true,
  false,
  0,
  -1,
  1.5,
  1_001,
  1e308,
  Number.MAX_SAFE_INTEGER,
  "",
  "20",
  "-1",
  "2026-02-31",
  "2026-01-31T12:00:00",
  "x".repeat(65),
  "\u0000",
  [],
  [1],
  {},
  { limit: 1 },
  [[[]]],
];

async function setUp(): Promise<{ readonly node: TestNode; readonly client: TestClient }> {
  const node = await startNode({ vhosts });
  await storeAll(node, "room", ["1", "2", "3"]);
  return { node, client: await connect(`${node.ws}/ws`) };
}

/** Expects that the client is in no topic and that its connection works. */
async function expectUntouched(node: TestNode, client: TestClient): Promise<void> {
  await store(node, "room", "unheard");
  expect(await client.ask({ command: "ping", id: "end" })).toEqual({ topic: "@pong", id: "end" });
}

test("W26: refuses each invalid member of a request for messages by its name, and changes nothing", async () => {
  const { client, node } = await setUp();
  const names = ["limit", "before", "after", "since", "until", "befor", "Limit", "bytes", "from", "", "__proto__"];
  for (const name of names) {
    for (const value of ODD_VALUES) {
      client.send(
        `{"command":"history","topics":["room"],"id":1,"payload":{${JSON.stringify(name)}:${JSON.stringify(value)}}}`,
      );
      const answer = await client.next();
      if (name === "limit" && value === 0) continue;
      expect({ name, value, topic: answer.topic }).toEqual({ name, value, topic: "#history" });
      expect(["invalid_argument", "failed_precondition"]).toContain(answer.error?.code);
      expect(answer.error?.message).toMatch(/^(?:payload\.|unknown_position: (?:after|before) )/);
    }
  }
  await expectUntouched(node, client);
});

test("W26: refuses a payload that is not an object, and anything but one topic", async () => {
  const { client, node } = await setUp();
  for (const payload of [1, true, "{}", [], [{ limit: 1 }]]) {
    expect(await client.ask({ command: "history", topics: ["room"], payload, id: 1 })).toEqual({
      topic: "#history",
      payload: ["room"],
      id: 1,
      error: { code: "invalid_argument", message: "payload: not an object" },
    });
  }
  for (const topics of [[], ["room", "room2"], [""], ["#room"], ["x".repeat(256)], "room", 7, [7], {}]) {
    const answer = await client.ask({ command: "history", topics, id: 1 });
    expect(answer).toMatchObject({ topic: "#history", error: { code: "invalid_argument" } });
  }
  expect(await client.ask({ command: "history", topics: ["hall"], id: 1 })).toMatchObject({
    topic: "#history",
    error: { code: "failed_precondition", message: 'topic "hall" has no history' },
  });
  expect(await client.ask({ command: "history", topics: ["room"], broker: "none", id: 1 })).toMatchObject({
    topic: "#history",
    error: { code: "not_found" },
  });
  expect(await client.ask({ command: "history", topics: ["room"], payload: null, id: 1 })).toMatchObject({
    topic: "@history",
  });
  await expectUntouched(node, client);
});

test("W26: reads a topic that a request names twice", async () => {
  const { client } = await setUp();
  const answer = await client.ask({ command: "history", topics: ["room", "room"], payload: { limit: 1 }, id: 1 });
  expect(answer).toMatchObject({
    topic: "@history",
    payload: { topic: "room", messages: [{ payload: "3" }], more: true },
  });
});

test("W24, W25: refuses each invalid recovery and rewind of a join, and joins nothing", async () => {
  const { client, node } = await setUp();
  const joins = ODD_VALUES.flatMap((value) => [
    { history: value, valid: value === 0 || isEmptyOr(value, { limit: 1 }) },
    { history: { limit: value }, valid: value === 0 },
    { history: { since: value }, valid: false },
    { recover: value, valid: isEmptyOr(value) },
    { recover: { room: value }, valid: typeof value === "string" && value !== "" && value.length <= 64 },
    { recover: { other: "p", room: value }, valid: false },
  ]);
  for (const { valid, ...members } of joins) {
    const answer = await client.ask({ command: "join", topics: ["room"], id: 1, ...members });
    const { error, topic } = answer;
    const expected = valid ? "@join" : "#join invalid_argument";
    expect([members, error === undefined ? topic : `${topic} ${error.code}`]).toEqual([members, expected]);
    expect(error?.message ?? "history").toMatch(/^(?:recover|history)\b/);
    client.send({ command: "leave", topics: ["room"], id: 2 });
    while ((await client.next()).id !== 2);
  }
  await expectUntouched(node, client);
});

/** Whether a value is an empty object or equal to another. */
function isEmptyOr(value: unknown, other: object = {}): boolean {
  return [{}, other].some((one) => JSON.stringify(one) === JSON.stringify(value));
}

test("W24: treats null as absent in every member", async () => {
  const { client, node } = await setUp();
  const nulls = { limit: null, before: null, after: null, since: null, until: null };
  expect(await client.ask({ command: "history", topics: ["room"], id: 1, payload: nulls })).toMatchObject({
    topic: "@history",
    payload: { messages: [{ payload: "1" }, { payload: "2" }, { payload: "3" }], more: false },
  });
  client.send({ command: "join", topics: ["room"], recover: null, history: null, id: 1 });
  expect(await client.nextText()).toBe('{"topic":"@join","payload":["room"],"id":1}');
  await store(node, "room", "4");
  expect(await client.nextText()).toBe('{"topic":"room","payload":"4"}');
});

test("W24, W26: answers any values with a result or a refusal, never with an internal error or a close", async () => {
  const { client, node } = await setUp();
  const position = await positionOf(node, "room");
  const odd = fc.oneof(fc.jsonValue(), fc.constant(position), fc.constantFrom(...ODD_VALUES));
  const members = fc.record({ limit: odd, before: odd, after: odd, since: odd, until: odd }, { requiredKeys: [] });
  const history = fc.record({ command: fc.constant("history"), payload: fc.oneof(members, odd) });
  const topics = fc.oneof(odd, fc.subarray(["room", "hall", "room2"]));
  const join = fc.record(
    {
      command: fc.constant("join"),
      topics,
      history: odd,
      recover: fc.oneof(odd, fc.dictionary(fc.constantFrom("room", "hall", "__proto__", ""), odd)),
      group: odd,
    },
    { requiredKeys: ["command", "topics"] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        history.map((one) => ({ topics: ["room"], ...one })),
        join,
      ),
      async (command) => {
        client.send({ ...command, id: "asked" });
        client.send({ command: "leave", topics: ["room", "hall", "room2"], id: "left" });
        let answer = await client.next();
        while (answer.id !== "asked") answer = await client.next();
        expect(answer.topic).toMatch(/^[@#](?:history|join)$/);
        expect(answer.error?.code).not.toBe("internal");
        while ((await client.next()).id !== "left");
      },
    ),
    { numRuns: 300 },
  );
});
