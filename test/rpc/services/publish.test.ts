import { grpcClient, grpcPeer, peersOf } from "../../support/backends/peers.js";
import { connect } from "../../support/clients/native.js";
import { startNats } from "../../support/nats/server.js";
import { startNode } from "../../support/nodes/node.js";
import { rawPeersOf } from "../../support/raw/peers.js";
import { requestOf } from "../../support/raw/request-bytes.js";

const payload = Buffer.from("x");

test("R2: answers FLUSHED to Publish and ACCEPTED to PublishAsync, on memory and on NATS", async () => {
  const nats = await startNats();
  const node = await startNode({
    brokers: { memory: { driver: "memory" }, nats: { driver: "nats", servers: [nats.url] } },
  });
  for (const peer of peersOf(node)) {
    for (const brokers of [["memory"], ["nats"], ["nats", "memory"]]) {
      const messages = brokers.map((broker) => ({ topics: ["a"], payload, broker, id: broker }));
      const flushed = await peer.publish(messages);
      expect(flushed.receipts).toEqual(brokers.map((id) => ({ id, stage: "STAGE_FLUSHED" })));
      const accepted = await peer.publish(messages, "PublishAsync");
      expect(accepted.receipts).toEqual(brokers.map((id) => ({ id, stage: "STAGE_ACCEPTED" })));
    }
  }
});

test("R5: accepts the command publish and an empty one", async () => {
  const node = await startNode();
  const peer = grpcPeer(grpcClient(node));
  expect(await peer.publish([{ topics: ["a"] }, { topics: ["a"], command: "publish" }])).toMatchObject({ status: 0 });
});

test("R6: answers an empty list with ok, and publishes nothing", async () => {
  const node = await startNode();
  for (const peer of peersOf(node)) {
    for (const method of ["Publish", "PublishAsync"] as const) {
      expect(await peer.publish([], method)).toEqual({ status: 0, message: "", receipts: [] });
    }
  }
});

test("R6: skips empty topic names, and publishes nothing for a message with no other", async () => {
  const node = await startNode();
  const listener = await connect(`${node.ws}/ws`);
  await listener.join("foo");
  for (const peer of peersOf(node)) {
    for (const [method, stage] of [
      ["Publish", "STAGE_FLUSHED"],
      ["PublishAsync", "STAGE_ACCEPTED"],
    ] as const) {
      const messages = [
        { topics: ["", "foo"], payload: Buffer.from("1"), id: "a" },
        { topics: [""], payload: Buffer.from("2"), id: "b" },
        { topics: ["foo", "", ""], payload: Buffer.from("3"), id: "c" },
      ];
      const published = await peer.publish(messages, method);
      expect(published).toMatchObject({ status: 0 });
      // JSON omits unspecified values.
      const none = peer.name === "fetch" ? {} : { stage: "STAGE_UNSPECIFIED" };
      expect(published.receipts).toEqual([
        { id: "a", stage },
        { id: "b", ...none },
        { id: "c", stage },
      ]);
      expect([(await listener.next()).payload, (await listener.next()).payload]).toEqual(["1", "3"]);
      const alone = await peer.publish([{ topics: ["", ""], id: "d" }], method);
      expect(alone).toEqual({ status: 0, message: "", receipts: [{ id: "d", ...none }] });
    }
    // The message is checked nevertheless (O4).
    const refused = await peer.publish([{ topics: ["foo"] }, { topics: [""], broker: "nope" }]);
    expect(refused).toMatchObject({ status: 5 });
  }
});

test("R6, O1: publishes every message on each of its topics, in order", async () => {
  const node = await startNode();
  const listener = await connect(`${node.ws}/ws`);
  await listener.join("a", "b");
  const peer = grpcPeer(grpcClient(node));
  await peer.publish(["1", "2", "3"].map((text) => ({ topics: ["a", "b"], payload: Buffer.from(text) })));
  const received = await Promise.all(Array.from({ length: 6 }, () => listener.next()));
  for (const topic of ["a", "b"]) {
    expect(received.filter((frame) => frame.topic === topic).map((frame) => frame.payload)).toEqual(["1", "2", "3"]);
  }
});

test("R7: passes on ids and events, and creates unique ids where they are missing", async () => {
  const node = await startNode();
  const listener = await connect(`${node.ws}/ws?meta=1`);
  await listener.join("a");
  const longest = "é".repeat(127) + "x";
  for (const peer of peersOf(node)) {
    const ids = [longest, "same", "same", ""];
    const { receipts } = await peer.publish(ids.map((id) => ({ topics: ["a"], id, event: id })));
    const frames = await Promise.all(ids.map(() => listener.next()));
    expect(receipts.map(({ id }) => id)).toEqual(frames.map(({ id }) => id));
    expect(frames.map(({ event }) => event)).toEqual([longest, "same", "same", undefined]);
    expect(frames.slice(0, 3).map(({ id }) => id)).toEqual([longest, "same", "same"]);
    const again = await peer.publish([{ topics: ["a"] }]);
    const { id: made } = await listener.next();
    expect(made).toMatch(/./);
    expect(again.receipts[0]?.id).toBe(made);
    expect(made).not.toBe(frames[3]?.id);
  }
});

test("T1, T3: delivers once on a topic of 255 bytes that is named twice", async () => {
  const node = await startNode();
  const listener = await connect(`${node.ws}/ws`);
  const longest = "é".repeat(127) + "x";
  await listener.join(longest, "end");
  for (const peer of peersOf(node)) {
    expect(await peer.publish([{ topics: [longest, "end", longest], payload }])).toMatchObject({ status: 0 });
    const received = [await listener.next(), await listener.next()];
    expect(new Set(received.map(({ topic }) => topic))).toEqual(new Set(["end", longest]));
  }
  await grpcPeer(grpcClient(node)).publish([{ topics: ["end"], payload: Buffer.from("sentinel") }]);
  expect(await listener.next()).toEqual({ topic: "end", payload: "sentinel" });
});

test("E5: publishes a payload of exactly 1 MiB", async () => {
  const node = await startNode();
  const listener = await connect(`${node.ws}/ws`);
  await listener.join("a");
  const text = "z".repeat(1_048_576);
  for (const peer of peersOf(node)) {
    expect(await peer.publish([{ topics: ["a"], payload: Buffer.from(text) }])).toMatchObject({ status: 0 });
    const { payload: received } = await listener.next();
    expect(received === text).toBe(true);
  }
});

test("E8: publishes a request of exactly 4 MiB, plain and compressed", async () => {
  const node = await startNode();
  for (const peer of rawPeersOf(node)) {
    const bytes = requestOf(4 * 1_024 * 1_024, peer.name === "connect-json");
    expect(await peer.send({ bytes })).toMatchObject({ status: 0 });
    for (const encoding of peer.encodings) {
      expect(await peer.send({ bytes, encoding })).toMatchObject({ status: 0 });
    }
  }
});

test("E18: answers unimplemented to an unknown compression", async () => {
  const node = await startNode();
  for (const peer of rawPeersOf(node).filter(({ name }) => name !== "grpc")) {
    expect(await peer.send({ bytes: Buffer.from("{}"), claimed: "zstd" })).toMatchObject({ status: 12 });
  }
});
