import type { DescMethodUnary } from "@bufbuild/protobuf";
import { HistoryOrder, HistoryService } from "../../../gen/carillon/v1/history_pb.js";
import { bearer, configuredKey, STATUS } from "../../support/backends/backend.js";
import { callersOf } from "../../support/backends/mounts.js";
import { peersOf } from "../../support/backends/peers.js";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";
import { publishAll, ROOMS_WITH_HISTORY } from "../support/subscribe-stream.js";

const { purgeHistory, readHistory } = HistoryService.method;
const { NEWEST_FIRST, OLDEST_FIRST } = HistoryOrder;

const vhosts = { "/": ROOMS_WITH_HISTORY };

test("R18, H1, H5: answers STORED with the position that clients see, and the same to a duplicate", async () => {
  const node = await startNode({ vhosts });
  const client = await connect(`${node.ws}/ws?meta=1`);
  await client.join("room-1", "room-2", "plain");
  for (const peer of peersOf(node)) {
    const message = { topics: ["room-1"], payload: Buffer.from("x"), id: peer.name };
    const { receipts } = await peer.publish([message]);
    const { position } = (await client.next()) as { readonly position?: string };
    expect(receipts).toEqual([{ id: peer.name, stage: "STAGE_STORED", position }]);
    expect((await peer.publish([message])).receipts).toEqual([
      { id: peer.name, stage: "STAGE_STORED", position, duplicate: true },
    ]);
    const several = await peer.publish([{ ...message, topics: ["room-1", "room-2"] }]);
    const second = (await client.next()) as { readonly topic: string; readonly position?: string };
    expect(second.topic).toBe("room-2");
    const topics = [
      { topic: "room-1", position, duplicate: true },
      { topic: "room-2", position: second.position, duplicate: false },
    ];
    expect(several.receipts).toEqual([
      { id: peer.name, stage: "STAGE_STORED", topics: expectTopics(peer.name, topics) },
    ]);
    const mixed = await peer.publish([{ ...message, topics: ["room-1", "plain"] }]);
    expect(mixed.receipts).toEqual([{ id: peer.name, stage: "STAGE_FLUSHED", position, duplicate: true }]);
    expect((await client.next()).topic).toBe("plain");
    const accepted = await peer.publish([{ ...message, id: `${peer.name} async` }], "PublishAsync");
    expect(accepted.receipts).toEqual([{ id: `${peer.name} async`, stage: "STAGE_ACCEPTED" }]);
    await client.next();
  }
});

/** JSON omits false. */
function expectTopics(name: string, topics: readonly { readonly duplicate: boolean }[]): unknown {
  return name === "fetch" ? topics.map(({ duplicate, ...one }) => (duplicate ? { ...one, duplicate } : one)) : topics;
}

test("R19, H10: reads pages in both orders, between positions and times", async () => {
  const node = await startNode({ vhosts });
  const begin = Date.now();
  const [one, two, three, four] = await publishAll(node, "room", ["1", "2", "3", "4"]);
  const [past, future] = [begin - 60_000, begin + 600_000].map((time) => ({
    seconds: BigInt(Math.floor(time / 1_000)),
  }));
  for (const caller of callersOf(node)) {
    for (const [query, texts, more] of [
      [{}, "4321", false],
      [{ limit: 2 }, "43", true],
      [{ limit: 2, before: three }, "21", false],
      [{ limit: 2, order: OLDEST_FIRST }, "12", true],
      [{ after: two }, "34", false],
      [{ after: two, order: NEWEST_FIRST, limit: 1 }, "4", true],
      [{ after: one, before: four }, "32", false],
      [{ after: four }, "", false],
      [{ since: past }, "1234", false],
      [{ since: future }, "", false],
      [{ until: past }, "", false],
      [{ until: future, limit: 1 }, "4", true],
    ] as const) {
      const { answer, message, status } = await caller.call(readHistory, { topic: "room", ...query });
      expect([caller.name, query, status, message]).toEqual([caller.name, query, STATUS.ok, ""]);
      expect(answer.messages.map(({ payload }) => Buffer.from(payload).toString()).join("")).toBe(texts);
      expect([answer.more, answer.position]).toEqual([more, four]);
    }
    const { answer } = await caller.call(readHistory, { topic: "room", limit: 1, order: OLDEST_FIRST });
    const [first] = answer.messages;
    expect(first).toMatchObject({ topic: "room", id: "id-1", event: "said", position: one });
    expect(Math.abs(Number(first?.time?.seconds) - begin / 1_000)).toBeLessThan(60);
  }
});

test("R19: reads an empty topic, whose position serves for later pages", async () => {
  const node = await startNode({ vhosts });
  for (const caller of callersOf(node)) {
    const topic = `room-${caller.name}`;
    const { answer } = await caller.call(readHistory, { topic });
    expect(answer).toMatchObject({ messages: [], more: false, position: expect.stringMatching(/./) });
    await publishAll(node, topic, ["1"]);
    const later = await caller.call(readHistory, { topic, after: answer.position });
    expect(later.answer.messages).toHaveLength(1);
  }
});

test("R19, R16, O8: refuses invalid requests, and names the reason of a position that cannot be used", async () => {
  const node = await startNode({
    vhosts: { "/": { ...ROOMS_WITH_HISTORY, history: { chat: { messages: 1, age: "5m" } } } },
  });
  const [expired] = await publishAll(node, "room", ["1", "2", "3"]);
  const ends = [
    [{}, STATUS.invalidArgument, /^topic is empty$/],
    [{ topic: "@room" }, STATUS.invalidArgument, /^topic begins with a reserved character/],
    [{ topic: "room", broker: "x" }, STATUS.notFound, /"x"/],
    [{ topic: "plain" }, STATUS.failedPrecondition, /^topic: "plain" has no history by its rule$/],
    [{ topic: "room", limit: 1_001 }, STATUS.invalidArgument, /^limit: expected at most 1000, got 1001$/],
    [{ topic: "room", after: "x".repeat(65) }, STATUS.invalidArgument, /^after: a position has at most 64 characters$/],
    [{ topic: "room", before: "x".repeat(65) }, STATUS.invalidArgument, /^before: /],
    [{ topic: "room", order: 7 }, STATUS.invalidArgument, /^order: unknown value 7$/],
    [{ topic: "room", after: "never-given-out" }, STATUS.failedPrecondition, /^unknown_position: /],
    [{ topic: "room", after: expired }, STATUS.failedPrecondition, /^expired: /],
  ] as const;
  for (const caller of callersOf(node)) {
    for (const [request, status, message] of ends) {
      const answer = await caller.call(readHistory, request);
      expect([caller.name, answer]).toMatchObject([caller.name, { status, message: expect.stringMatching(message) }]);
    }
  }
  const response = await fetch(`${node.http}/carillon.v1.HistoryService/ReadHistory`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ topic: "room", after: expired }),
  });
  const { details } = (await response.json()) as { readonly details: readonly { type: string; value: string }[] };
  expect(details.map(({ type, value }) => [type, Buffer.from(value, "base64").toString("latin1")])).toEqual([
    ["google.rpc.ErrorInfo", "\n\x07EXPIRED\x12\x08carillon"],
  ]);
});

test("R19, R14: reads by Connect's GET, and does not let caches store the answer", async () => {
  const node = await startNode({ vhosts });
  await publishAll(node, "room", ["1"]);
  const message = encodeURIComponent(JSON.stringify({ topic: "room" }));
  const response = await fetch(`${node.http}/carillon.v1.HistoryService/ReadHistory?encoding=json&message=${message}`);
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(await response.json()).toMatchObject({ messages: [{ id: "id-1", payload: "MQ==" }] });
  const purge = await fetch(`${node.http}/carillon.v1.HistoryService/PurgeHistory?encoding=json&message=${message}`);
  expect(purge.status).toBe(405);
});

test("R20, H10: purges a topic, after which earlier positions are expired", async () => {
  const node = await startNode({ vhosts });
  await publishAll(node, "room-other", ["1"]);
  for (const caller of callersOf(node)) {
    const [before] = await publishAll(
      node,
      "room",
      ["1", "2"].map((text) => `${caller.name} ${text}`),
    );
    expect(await caller.call(purgeHistory, { topic: "room" })).toMatchObject({ status: 0, answer: { messages: 2n } });
    expect((await caller.call(readHistory, { topic: "room" })).answer.messages).toEqual([]);
    expect(await caller.call(readHistory, { topic: "room", after: before })).toMatchObject({
      status: STATUS.failedPrecondition,
      message: expect.stringMatching(/^expired: /),
    });
    expect(await caller.call(purgeHistory, { topic: "room" })).toMatchObject({ status: 0, answer: { messages: 0n } });
    expect((await caller.call(readHistory, { topic: "room-other" })).answer.messages).toHaveLength(1);
    expect(await caller.call(purgeHistory, { topic: "plain" })).toMatchObject({ status: STATUS.failedPrecondition });
  }
});

test("R19, R20: limits a key to its action, its topics and its vhost", async () => {
  const keys = [
    configuredKey("reader", { actions: ["history"], topics: ["room.*"] }),
    configuredKey("publisher", { actions: ["publish", "subscribe"] }),
  ];
  const there = [configuredKey("there", { actions: ["history"] })];
  const settings = { "/": { ...ROOMS_WITH_HISTORY, keys }, "/there": { ...ROOMS_WITH_HISTORY, keys: there } };
  const node = await startNode({ vhosts: settings });
  const publish = { messages: [{ topics: ["room.1"], text: "here" }] };
  await fetch(`${node.http}/websockets.v1.BroadcastService/Publish`, {
    method: "POST",
    headers: { "content-type": "application/json", ...bearer("publisher") },
    body: JSON.stringify(publish),
  });
  for (const caller of callersOf(node)) {
    const methods: readonly DescMethodUnary[] = [readHistory, purgeHistory];
    for (const method of methods) {
      expect((await caller.call(method, { topic: "room.1" }, bearer("publisher"))).status).toBe(
        STATUS.permissionDenied,
      );
      expect((await caller.call(method, { topic: "room" }, bearer("reader"))).status).toBe(STATUS.permissionDenied);
      expect((await caller.call(method, { topic: "room.1" }, bearer("there"))).status).toBe(STATUS.ok);
    }
    const { answer } = await caller.call(readHistory, { topic: "room.1" }, bearer("reader"));
    expect(answer.messages).toHaveLength(1);
  }
});
