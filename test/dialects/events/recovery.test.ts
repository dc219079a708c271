import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import type { ConfigInput } from "../../../src/index.js";
import { TestBackend } from "../../support/backends/backend.js";
import { publish, say } from "../../support/backends/publish.js";
import { openStream, refusedStream, type TestStream } from "../../support/clients/event-stream.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const HISTORY = {
  history: { chat: { messages: 100, age: "5m" } },
  topics: [{ match: "room.*", history: "chat" }],
} satisfies NonNullable<ConfigInput["vhosts"]>[string];

const TOPICS = ["room.a", "room.b", "room.c"] as const;
const ALL = `/events?${TOPICS.map((topic) => `topic=${topic}`).join("&")}`;

function startHistoryNode(vhost: object = {}): Promise<TestNode> {
  return startNode({ vhosts: { "/": { ...HISTORY, ...vhost } } });
}

/** Reads the data of the next events. */
async function readData(stream: TestStream, count: number): Promise<string[]> {
  const data: string[] = [];
  while (data.length < count) data.push((await stream.next()).data);
  return data;
}

function after(id: string): { readonly "last-event-id": string } {
  return { "last-event-id": id };
}

test("V5, V6, H2: continues after every id of a stream of several topics with exactly the messages that follow it", async () => {
  const node = await startHistoryNode();
  const stream = await openStream(node.http + ALL);
  const ids = [await stream.begun()];
  // Several messages in one turn, of the same and of different topics.
  const bursts = [["a1"], ["b1", "a2", "b2"], ["c1"], ["a3", "a4", "c2", "b3"]];
  for (const burst of bursts) {
    const messages = burst.map((payload) => ({ topics: [`room.${payload.charAt(0)}`], payload }));
    expect(await publish(node, messages)).toMatchObject({ ok: true });
  }
  const seen: string[] = [];
  while (seen.length < bursts.flat().length) {
    const { data, id } = await stream.next();
    seen.push(data);
    ids.push(id);
  }
  expect(seen.toSorted()).toEqual(bursts.flat().toSorted());
  expect(new Set(ids).size).toBe(ids.length);
  for (const [count, id] of ids.entries()) {
    const again = await openStream(node.http + ALL, after(id));
    const missed = seen.slice(count);
    expect((await readData(again, missed.length)).toSorted()).toEqual(missed.toSorted());
    // The id of the last block names everything, so a stream that begins with it gets live messages only.
    if (missed.length > 0) await again.nextBlock();
    const next = await openStream(node.http + ALL, after(again.lastEventId));
    await say(node, "room.a", `live ${count}`);
    expect((await next.next()).data).toBe(`live ${count}`);
    expect((await again.next()).data).toBe(`live ${count}`);
    seen.push(`live ${count}`);
  }
});

test("V5, H8: lets a client recover that has received nothing", async () => {
  const node = await startHistoryNode();
  const id = await (await openStream(`${node.http}/events?topic=room.a`)).begun();
  await say(node, "room.a", "missed");
  const again = await openStream(`${node.http}/events?topic=room.a`, after(id));
  expect(await again.begun()).toBe(id);
  expect(await again.next()).toMatchObject({ data: "missed", event: "message" });
});

test("V6: takes the id from the query, and from the header if there are both", async () => {
  const node = await startHistoryNode();
  const url = `${node.http}/events?topic=room.a`;
  const first = await (await openStream(url)).begun();
  await say(node, "room.a", "one");
  const stream = await openStream(`${url}&last_event_id=${first}`);
  expect((await stream.next()).data).toBe("one");
  await say(node, "room.a", "two");
  const again = await openStream(`${url}&last_event_id=${first}`, after(stream.lastEventId));
  expect((await again.next()).data).toBe("two");
});

test("V6: recovers each topic by itself when a client asks for other topics than before", async () => {
  const node = await startHistoryNode();
  const id = await (await openStream(`${node.http}/events?topic=room.a&topic=room.b`)).begun();
  await say(node, "room.b", "b");
  await say(node, "room.c", "c");
  const again = await openStream(`${node.http}/events?topic=room.c&topic=room.b&topic=news`, after(id));
  expect((await again.next()).data).toBe("b");
  await say(node, "room.c", "live");
  expect((await again.next()).data).toBe("live");
});

test("V8, H3: reports the reason for each topic that cannot be recovered, then continues live", async () => {
  const node = await startHistoryNode({ history: { chat: { messages: 2, age: "5m" } } });
  const url = `${node.http}/events?topic=room.a&topic=room.b`;
  const id = await (await openStream(url)).begun();
  for (const payload of ["1", "2", "3"]) await say(node, "room.a", payload);
  await say(node, "room.b", "kept");
  const again = await openStream(url, after(id));
  const first = await again.next();
  expect(first).toMatchObject({ event: "carillon.recovery", data: '{"room.a":"expired"}' });
  expect((await again.next()).data).toBe("kept");
  await say(node, "room.a", "live");
  expect((await again.next()).data).toBe("live");
  // The id of the first event continues after the loss, so that it is told once.
  const third = await openStream(url, after(first.id));
  expect((await readData(third, 2)).toSorted()).toEqual(["kept", "live"]);
});

test.each([
  "42",
  "123456",
  "123456~abcdef",
  "550e8400-e29b-41d4-a716-446655440000",
  "abcdefm.boot.1.proof",
  "abcdefn.1.fingerprint~*",
  "room.a",
  "a~b",
  "~",
  "*",
  "x".repeat(5_000),
  "abcdefm.1~~*",
])("V6, V8, H3: recovers no topic after the foreign id %#", async (id) => {
  const node = await startHistoryNode();
  const stream = await openStream(`${node.http}/events?topic=room.a&topic=room.b`, after(id));
  expect(await stream.next()).toMatchObject({
    event: "carillon.recovery",
    data: '{"room.a":"unknown_position","room.b":"unknown_position"}',
  });
  await say(node, "room.a", "live");
  expect((await stream.next()).data).toBe("live");
});

test("V5, V8: says which topics an id had no room for", async () => {
  const node = await startHistoryNode({ history: { chat: { messages: 1, age: "5m" } } });
  const topics = Array.from({ length: 300 }, (_, number) => `room.${number}`);
  const url = `${node.http}/events?${topics.map((topic) => `topic=${topic}`).join("&")}`;
  const stream = await openStream(url);
  const id = await stream.begun();
  expect(id.length).toBeLessThanOrEqual(4_096);
  await say(node, "room.299", "one");
  const { id: next } = await stream.next();
  expect(next.length).toBeLessThanOrEqual(4_096);
  const again = await openStream(url, after(next));
  const told = JSON.parse((await again.next()).data) as Record<string, string>;
  expect(new Set(Object.values(told))).toEqual(new Set(["unknown_position"]));
  expect(Object.keys(told)).not.toContain("room.299");
  const named = next.split("~").length - 1;
  expect(Object.keys(told).length).toBe(topics.length - named);
});

test("V7: sends the latest messages before the live ones, and the id of all of them after", async () => {
  const node = await startHistoryNode();
  for (const payload of ["1", "2", "3"]) await say(node, "room.a", payload);
  const url = `${node.http}/events?topic=room.a&topic=room.b&rewind=2`;
  const stream = await openStream(url);
  // Until the stored messages have been sent, the id does not name the topic: a client that is cut here rewinds again.
  await stream.begun();
  expect(await readData(stream, 2)).toEqual(["2", "3"]);
  await stream.nextBlock();
  await say(node, "room.b", "live");
  const again = await openStream(url, after(stream.lastEventId));
  expect(await readData(again, 1)).toEqual(["live"]);
  const since = await openStream(`${node.http}/events?topic=room.a&since=2000-01-01T00:00:00Z`);
  expect(await readData(since, 3)).toEqual(["1", "2", "3"]);
});

test("V2, V7: joins and rewinds private topics with a channel token", async () => {
  const node = await startHistoryNode({ topics: [{ match: "room.*", history: "chat", access: "private" }] });
  const { token } = await new TestBackend(node).call(TokenService.method.createChannelToken, { channel: "room.a" });
  const url = `${node.http}/events?topic=room.a`;
  expect(await refusedStream(url)).toMatchObject({ status: 403 });
  await say(node, "room.a", "one");
  const stream = await openStream(`${url}&auth=${token}&rewind=2`);
  expect((await stream.next()).data).toBe("one");
});

test("V5, V11: keeps ids complete when the server joins the client to a further topic", async () => {
  const node = await startHistoryNode();
  const url = `${node.http}/events?topic=room.a`;
  const stream = await openStream(url);
  await stream.begun();
  await say(node, "room.a", "one");
  expect((await stream.next()).data).toBe("one");
  const backend = new TestBackend(node);
  const { connections } = await backend.call(ControlService.method.listConnections, {});
  const target = { target: { case: "connectionId" as const, value: connections[0]?.id ?? "" } };
  await backend.call(ControlService.method.subscribe, { target, topics: ["room.b"] });
  expect(await stream.next()).toMatchObject({ event: "carillon.joined", data: '["room.b"]' });
  await say(node, "room.b", "other");
  const { id } = await stream.next();
  await say(node, "room.a", "two");
  const again = await openStream(url, after(id));
  expect((await again.next()).data).toBe("two");
});

test("V5: sends no ids for topics without history", async () => {
  const node = await startHistoryNode();
  const stream = await openStream(`${node.http}/events?topic=news&topic=weather`);
  expect(await stream.nextBlock()).toBe("retry: 3000");
  await say(node, "news", "x");
  expect(await stream.nextBlock()).toBe("data: x");
});

interface Positions {
  readonly positions: Readonly<Record<string, string>>;
  readonly recovered?: Readonly<Record<string, boolean>>;
}

/** Reads the first event of a stream whose query has `recover`. */
async function readPositions(stream: TestStream): Promise<Positions> {
  const { data, event } = await stream.next();
  expect(event).toBe("carillon.positions");
  return JSON.parse(data) as Positions;
}

test("V15, V6: recovers each topic from its position, and ends the stored messages with an id", async () => {
  const node = await startHistoryNode();
  const url = (a: string, b: string): string =>
    `${node.http}/events?topic=room.a&recover=${a}&topic=room.b&recover=${b}&meta=1`;
  const { positions } = await readPositions(await openStream(url("", "")));
  await say(node, "room.a", "a1");
  await say(node, "room.b", "b1");
  const first = await openStream(url(positions["room.a"] ?? "", ""));
  const begin = await readPositions(first);
  expect(begin.recovered).toEqual({ "room.a": true });
  const message = JSON.parse((await first.next()).data) as { payload: string; position: string };
  expect(message).toMatchObject({ payload: "a1", position: begin.positions["room.a"] });
  expect(await first.nextBlock()).toMatch(/^id: \S+$/);
  // The header of a browser that reconnects is newer than the query.
  await say(node, "room.a", "a2");
  const again = await openStream(url(positions["room.a"] ?? "", ""), after(first.lastEventId));
  expect((await readPositions(again)).recovered).toEqual({ "room.a": true, "room.b": true });
  expect(JSON.parse((await again.next()).data)).toMatchObject({ payload: "a2" });
});

test("V15: refuses another number of positions than of topics", async () => {
  const node = await startHistoryNode();
  for (const query of ["topic=room.a&topic=room.b&recover=", "topic=room.a&recover=&recover="]) {
    expect(await refusedStream(`${node.http}/events?${query}`)).toMatchObject({
      status: 400,
      body: expect.stringContaining("recover: expected one for each topic, empty for a topic without a position"),
    });
  }
});
