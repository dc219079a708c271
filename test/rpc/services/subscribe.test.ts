import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { bearer, configuredKey, STATUS, TestBackend } from "../../support/backends/backend.js";
import { callersOf } from "../../support/backends/mounts.js";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";
import { publishAll, ROOMS_WITH_HISTORY, TestStream } from "../support/subscribe-stream.js";

const { publish } = BroadcastService.method;
const { listConnections, listTopics } = ControlService.method;

const vhosts = { "/": ROOMS_WITH_HISTORY };

test("R21: sends the answer to the request first, then each new message once, in order", async () => {
  const node = await startNode();
  for (const caller of callersOf(node)) {
    const stream = new TestStream(caller, { topics: ["a", "b"] });
    expect(await stream.subscribed()).toEqual({ positions: {}, recovered: {}, reasons: {} });
    await publishAll(node, "a", ["1"]);
    await publishAll(node, "b", ["2"]);
    await publishAll(node, "a", ["3"]);
    const first = await stream.next();
    expect(first).toMatchObject({ topic: "a", event: "said", id: "id-1", position: "", text: "1" });
    expect(Math.abs(first.seconds - Date.now() / 1_000)).toBeLessThan(60);
    expect(await stream.next()).toMatchObject({ topic: "b", text: "2" });
    expect(await stream.next()).toMatchObject({ topic: "a", text: "3" });
    await stream.close();
  }
});

test("R21, O1: sends a burst in few responses, in order, with all bytes of the payloads", async () => {
  const node = await startNode();
  const texts = Array.from({ length: 500 }, (_, n) => `${n} é\u0000`);
  for (const caller of callersOf(node)) {
    const stream = new TestStream(caller, { topics: ["a"] });
    await stream.subscribed();
    const messages = texts.map((text) => ({ topics: ["a"], payload: Buffer.from(text) }));
    await new TestBackend(node).call(publish, { messages });
    const received: string[] = [];
    let responses = 0;
    while (received.length < texts.length) {
      received.push(...(await stream.response()).messages.map(({ payload }) => Buffer.from(payload).toString()));
      responses += 1;
    }
    expect(received).toEqual(texts);
    expect(responses).toBeLessThan(20);
    await stream.close();
  }
});

test("R21, H1, H8: has the position of each topic with history, and the receipt's position in each message", async () => {
  const node = await startNode({ vhosts });
  for (const caller of callersOf(node)) {
    const topic = `room-${caller.name}`;
    const stream = new TestStream(caller, { topics: [topic, "plain"] });
    expect((await stream.subscribed()).positions).toEqual({ [topic]: expect.stringMatching(/^[\w.-]{1,64}$/) });
    const stored = await publishAll(node, topic, ["1", "2"]);
    expect([(await stream.next()).position, (await stream.next()).position]).toEqual(stored);
    await stream.close();
  }
});

test("R22, H2: recovers the messages after a position, once, in order, before new ones", async () => {
  const node = await startNode({ vhosts });
  for (const caller of callersOf(node)) {
    const topic = `room-${caller.name}`;
    const earlier = new TestStream(caller, { topics: [topic] });
    const empty = (await earlier.subscribed()).positions[topic] ?? "";
    await earlier.close();
    const [first = "", second = ""] = await publishAll(node, topic, ["1", "2"]);
    const streams = [empty, first, second].map(
      (position) => new TestStream(caller, { topics: [topic], recover: { [topic]: position } }),
    );
    for (const stream of streams) {
      const answer = { positions: { [topic]: second }, recovered: { [topic]: true }, reasons: {} };
      expect(await stream.subscribed()).toEqual(answer);
    }
    await publishAll(node, topic, ["3"]);
    expect(await Promise.all(streams.map((stream, n) => stream.texts(3 - n)))).toEqual([
      ["1", "2", "3"],
      ["2", "3"],
      ["3"],
    ]);
    for (const stream of streams) await stream.close();
  }
});

test("R22, H3: says why messages cannot be recovered, and continues with new ones", async () => {
  const node = await startNode({ vhosts });
  await publishAll(node, "room-b", ["1"]);
  for (const caller of callersOf(node)) {
    const [position = ""] = await publishAll(node, "room-a", ["1"]);
    const recover = { "room-b": position, plain: position };
    const stream = new TestStream(caller, { topics: ["room-b", "plain"], recover });
    expect(await stream.subscribed()).toMatchObject({
      recovered: { "room-b": false, plain: false },
      reasons: { "room-b": "unknown_position", plain: "unknown_position" },
    });
    await publishAll(node, "room-b", [`live ${caller.name}`]);
    expect((await stream.next()).text).toBe(`live ${caller.name}`);
    await stream.close();
  }
});

test("R22: rewinds by number and by time", async () => {
  const node = await startNode({ vhosts });
  await publishAll(node, "room", ["1", "2", "3"]);
  const yesterday = BigInt(Math.floor(Date.now() / 1_000) - 86_400);
  for (const caller of callersOf(node)) {
    for (const [rewind, expected] of [
      [{ limit: 2 }, ["2", "3", "live"]],
      [{}, ["1", "2", "3", "live"]],
      [{ since: { seconds: yesterday } }, ["1", "2", "3", "live"]],
      [{ since: { seconds: yesterday + 2n * 86_400n } }, ["live"]],
    ] as const) {
      const stream = new TestStream(caller, { topics: ["room", "plain"], rewind });
      await stream.subscribed();
      await publishAll(node, "plain", ["live"]);
      expect(await stream.texts(expected.length)).toEqual(expected);
      await stream.close();
    }
  }
});

test("R22: sends stored messages of more than 1 MiB in several responses", async () => {
  const node = await startNode({ vhosts });
  const texts = Array.from({ length: 6 }, (_, n) => String(n).repeat(600_000));
  await publishAll(node, "room", texts);
  for (const caller of callersOf(node)) {
    const stream = new TestStream(caller, { topics: ["room"], rewind: {} });
    await stream.subscribed();
    const sizes: number[] = [];
    while (sizes.reduce((sum, size) => sum + size, 0) < texts.length) {
      const { messages } = await stream.response();
      sizes.push(messages.length);
    }
    expect([caller.name, sizes]).toEqual([caller.name, [1, 1, 1, 1, 1, 1]]);
    await stream.close();
  }
});

test("R23, O8: refuses invalid requests and subscribes to nothing", async () => {
  const node = await startNode({ vhosts, limits: { topics_per_connection: 3 } });
  const long = "p".repeat(65);
  const ends = [
    [{}, STATUS.invalidArgument, "topics: at least one is required"],
    [{ topics: ["a", "$user.ann"] }, STATUS.invalidArgument, "topics[1] begins with a reserved character (@, # or $)"],
    [{ topics: ["a"], broker: "x" }, STATUS.notFound, "broker"],
    [{ topics: ["a"], recover: { b: "p" } }, STATUS.invalidArgument, 'recover["b"]: not among the topics'],
    [{ topics: ["a"], recover: { a: long } }, STATUS.invalidArgument, 'recover["a"]: a position has at most 64'],
    [{ topics: ["a"], recover: { a: "" } }, STATUS.invalidArgument, 'recover["a"]: a position is required'],
    [
      { topics: ["a"], rewind: { limit: 1_001 } },
      STATUS.invalidArgument,
      "rewind.limit: expected at most 1000, got 1001",
    ],
    [{ topics: ["a", "b", "c", "d"] }, STATUS.resourceExhausted, "4 topics, the limit is 3"],
  ] as const;
  for (const caller of callersOf(node)) {
    for (const [request, status, message] of ends) {
      expect(await new TestStream(caller, request).status()).toEqual({
        status,
        message: expect.stringContaining(message),
      });
    }
  }
  expect((await new TestBackend(node).call(listTopics, {})).topics).toEqual([]);
});

test("R23: needs the actions subscribe, and history for a rewind, and stays within the topics of the key", async () => {
  const keys = [
    configuredKey("stream", { actions: ["subscribe"], topics: ["room.*"] }),
    configuredKey("rewind", { actions: ["subscribe", "history"] }),
    configuredKey("other", { actions: ["publish", "history"] }),
  ];
  const node = await startNode({ vhosts: { "/": { ...ROOMS_WITH_HISTORY, keys } } });
  for (const caller of callersOf(node)) {
    const open = (request: object, key: string) => new TestStream(caller, request, bearer(key));
    const { permissionDenied } = STATUS;
    expect(await open({ topics: ["room.1"] }, "other").status()).toMatchObject({ status: permissionDenied });
    expect(await open({ topics: ["room.1", "elsewhere"] }, "stream").status()).toEqual({
      status: permissionDenied,
      message: 'topics[1]: key "stream" is not permitted to use topic "elsewhere"',
    });
    expect(await open({ topics: ["room.1"], rewind: {} }, "stream").status()).toEqual({
      status: permissionDenied,
      message: 'rewind: key "stream" lacks the action "history"',
    });
    const stream = open({ topics: ["room.1"] }, "stream");
    const { positions } = await stream.subscribed();
    await stream.close();
    for (const [request, key] of [
      [{ topics: ["room.1"], recover: positions }, "stream"],
      [{ topics: ["room.1"], rewind: {} }, "rewind"],
    ] as const) {
      const allowed = open(request, key);
      await allowed.subscribed();
      await allowed.close();
    }
  }
});

test("R23: shows a stream neither in presence nor in the list of connections", async () => {
  const node = await startNode({ vhosts: { "/": { presence: true } } });
  const client = await connect(`${node.ws}/ws`);
  client.send({ command: "join", topics: ["a"], presence: true, id: 1 });
  await client.next();
  for (const caller of callersOf(node)) {
    const stream = new TestStream(caller, { topics: ["a"] });
    await stream.subscribed();
    await stream.close();
  }
  const { connections } = await new TestBackend(node).call(listConnections, {});
  expect(connections).toHaveLength(1);
});

test("R25: ends with UNAVAILABLE when the node stops, after the messages published before", async () => {
  const node = await startNode();
  const streams = callersOf(node).map((caller) => new TestStream(caller, { topics: ["a"] }));
  for (const stream of streams) await stream.subscribed();
  await publishAll(node, "a", ["last"]);
  const stopped = node.carillon.stop();
  for (const stream of streams) {
    expect((await stream.next()).text).toBe("last");
    expect(await stream.status()).toEqual({ status: 14, message: "this node is stopping" });
  }
  await stopped;
});
