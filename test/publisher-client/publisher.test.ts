import { createServer, type Socket } from "node:net";
import { CarillonError, createPublisher, type Publisher, type PublisherOptions } from "../../src/index.js";
import { configuredKey } from "../support/backends/backend.js";
import { cleanUp } from "../support/clean-up.js";
import { connect, type TestClient } from "../support/clients/native.js";
import { startTcpProxy } from "../support/net/tcp-proxy.js";
import { startNode } from "../support/nodes/node.js";
import { startPublishServer } from "./publish-server.js";

const HISTORY = { vhosts: { "/": { history: { chat: {} }, default_history: "chat" } } };

/** Publisher that is closed after the test. Its messages expire soon after the test has failed. */
function open(grpc: string, options: Partial<PublisherOptions> = {}): Publisher {
  const publisher = createPublisher({ url: `grpc://${grpc}`, ...options });
  cleanUp(() => publisher.close());
  return publisher;
}

async function payloads(client: TestClient, count: number): Promise<unknown[]> {
  const frames = [];
  for (let index = 0; index < count; index += 1) frames.push((await client.next()).payload);
  return frames;
}

/** Returns the error of each message, or the stage that it reached. */
async function outcomes(results: readonly Promise<{ readonly stage: string }>[]): Promise<string[]> {
  const settled = await Promise.allSettled(results);
  return settled.map((each) =>
    each.status === "fulfilled"
      ? each.value.stage
      : `${(each.reason as CarillonError).code}: ${String(each.reason.message)}`,
  );
}

test("publishes payloads of every form, in order, with receipts", async () => {
  const node = await startNode(HISTORY);
  const client = await connect(`${node.ws}/ws?meta=1`);
  await client.join("a", "b");
  const publisher = open(node.grpc);
  const receipts = await Promise.all([
    publisher.publish({ topic: "a", text: "text ✓", event: "said", id: "one" }),
    publisher.publish({ topic: ["a", "b"], json: { price: 1.5 } }),
    publisher.publish({ topic: "a", payload: Buffer.from("bytes") }),
  ]);
  expect(await client.next()).toMatchObject({ topic: "a", payload: "text ✓", event: "said", id: "one" });
  const frames = [await client.next(), await client.next(), await client.next()];
  const textsOf = (name: string) => frames.filter(({ topic }) => topic === name).map(({ payload }) => payload);
  expect([textsOf("a"), textsOf("b")]).toEqual([['{"price":1.5}', "bytes"], ['{"price":1.5}']]);
  expect(receipts[0]).toEqual({
    id: "one",
    stage: "stored",
    position: expect.any(String),
    duplicate: false,
    topics: [],
  });
  expect(receipts[1]).toMatchObject({ stage: "stored", position: "", topics: [{ topic: "a" }, { topic: "b" }] });
  expect(new Set(receipts.map(({ id }) => id)).size).toBe(3);
  expect(await publisher.publish({ topic: "a", text: "again", id: "one" })).toMatchObject({
    duplicate: true,
    position: receipts[0]?.position,
  });
});

test("sends the messages of one turn in one request, and at most 500 in each", async () => {
  const server = await startPublishServer();
  const publisher = open(server.address);
  const turn = Array.from({ length: 3 }, (_, index) => publisher.publish({ topic: "a", text: String(index) }));
  await Promise.all(turn);
  await publisher.publish({ topic: "a", text: "later" });
  await Promise.all(Array.from({ length: 1_001 }, () => publisher.publish({ topic: "a", text: "" })));
  await publisher.publish({ topic: "a", text: "x".repeat(2_000_000) });
  expect(server.requests).toEqual([3, 1, 500, 500, 1, 1]);
  expect(server.streams).toBe(1);
});

test("fails only the message that the node refuses, and publishes the others of its turn in order", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("a");
  const publisher = open(node.grpc);
  const texts = ["one", "two", "three"];
  const results = texts.flatMap((text) => [
    publisher.publish({ topic: "a", text }),
    publisher.publish({ topic: "#no", text }),
  ]);
  expect(await outcomes(results)).toEqual(
    texts.flatMap(() => ["flushed", "invalid_argument: topics[0] begins with a reserved character (@, # or $)"]),
  );
  await publisher.publish({ topic: "a", text: "end" });
  expect(await payloads(client, 4)).toEqual([...texts, "end"]);
});

test("sends the messages of a refused request one by one when the refusal names none of them", async () => {
  const server = await startPublishServer((texts) => (texts.includes("bad") ? "no such luck" : undefined));
  const publisher = open(server.address);
  const results = ["one", "bad", "two"].map((text) => publisher.publish({ topic: "a", text }));
  expect(await outcomes(results)).toEqual(["flushed", "permission_denied: no such luck", "flushed"]);
  expect(server.published).toEqual(["one", "two"]);
});

test("rejects all messages when the node refuses the key", async () => {
  const node = await startNode({ vhosts: { "/": { keys: [configuredKey("s3cret", { actions: ["publish"] })] } } });
  const wrong = open(node.grpc, { key: "wrong" });
  const results = [wrong.publish({ topic: "a", text: "1" }), wrong.publish({ topic: "a", text: "2" })];
  for (const outcome of await outcomes(results)) expect(outcome).toMatch(/^unauthenticated: /);
  const right = open(node.grpc, { key: "s3cret" });
  expect(await right.publish({ topic: "a", text: "3" })).toMatchObject({ stage: "flushed" });
});

test("publishes a message once when the connection is lost before the answer, on a topic with history", async () => {
  const node = await startNode(HISTORY);
  const client = await connect(`${node.ws}/ws`);
  await client.join("a");
  const pairs: (readonly [client: Socket, server: Socket])[] = [];
  const proxy = await startTcpProxy(Number(node.grpc.split(":")[1]), (one, other) => {
    pairs.push([one, other]);
    one.pipe(other).pipe(one);
  });
  const publisher = open(`127.0.0.1:${proxy.port}`);
  await publisher.publish({ topic: "a", text: "first" });
  for (const [one, server] of pairs) server.unpipe(one);
  const unanswered = publisher.publish({ topic: "a", text: "second" });
  expect(await payloads(client, 2)).toEqual(["first", "second"]);
  expect(publisher.pending).toBe(1);
  const later = publisher.publish({ topic: "a", text: "third" });
  proxy.cut();
  expect(await unanswered).toMatchObject({ stage: "stored", duplicate: true });
  expect(await later).toMatchObject({ stage: "stored" });
  await publisher.publish({ topic: "a", text: "fourth" });
  expect(await payloads(client, 2)).toEqual(["third", "fourth"]);
});

test("sends messages again, in order, when the node comes back", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("a");
  const proxy = await startTcpProxy(Number(node.grpc.split(":")[1]));
  const publisher = open(`127.0.0.1:${proxy.port}`);
  await publisher.publish({ topic: "a", text: "first" });
  proxy.shut();
  const results = ["second", "third"].map((text) => publisher.publish({ topic: "a", text }));
  proxy.open();
  expect(await outcomes(results)).toEqual(["flushed", "flushed"]);
  expect(await payloads(client, 3)).toEqual(["first", "second", "third"]);
});

test("fails messages that are not confirmed in time", async () => {
  const silent = createServer().listen(0, "127.0.0.1");
  cleanUp(() => new Promise((resolve) => silent.close(resolve)));
  const sockets: Socket[] = [];
  silent.on("connection", (socket) => sockets.push(socket));
  cleanUp(() => {
    for (const socket of sockets) socket.destroy();
  });
  await new Promise((resolve) => silent.once("listening", resolve));
  const { port } = silent.address() as { readonly port: number };
  const publisher = open(`127.0.0.1:${port}`, { timeout: 50 });
  const results = [publisher.publish({ topic: "a", text: "1" }), publisher.publish({ topic: "a", text: "2" })];
  const late = "deadline_exceeded: the message was not confirmed in time";
  expect(await outcomes(results)).toEqual([late, late]);
  expect(publisher.pending).toBe(0);
});

test("refuses messages beyond maxPending, and tells when it is ready for more", async () => {
  const server = await startPublishServer();
  const publisher = open(server.address, { maxPending: 4 });
  const accepted = Array.from({ length: 4 }, () => publisher.publish({ topic: "a", text: "" }));
  await expect(publisher.publish({ topic: "a", text: "" })).rejects.toMatchObject({ code: "resource_exhausted" });
  await publisher.ready();
  expect(publisher.pending).toBeLessThanOrEqual(2);
  await Promise.all(accepted);
  expect(await publisher.publish({ topic: "a", text: "" })).toMatchObject({ stage: "flushed" });
});

test("confirms what it has when it is closed, and publishes nothing afterwards", async () => {
  const node = await startNode();
  const publisher = open(node.grpc);
  const results = [publisher.publish({ topic: "a", text: "1" }), publisher.publish({ topic: "a", text: "2" })];
  await publisher.close();
  expect(publisher.pending).toBe(0);
  expect(await outcomes(results)).toEqual(["flushed", "flushed"]);
  await expect(publisher.publish({ topic: "a", text: "3" })).rejects.toMatchObject({ code: "failed_precondition" });
});

test.each([
  ["two payloads", { text: "a", json: 1 }, "expected exactly one of payload, text and json"],
  ["no payload", {}, "expected exactly one of payload, text and json"],
  ["a value that JSON cannot express", { json: () => 1 }, "json: expected a value that JSON can express"],
])("refuses a message with %s, and publishes nothing", async (_what, payload, message) => {
  const server = await startPublishServer();
  const publisher = open(server.address);
  await expect(publisher.publish({ topic: "a", ...payload })).rejects.toEqual(
    new CarillonError("invalid_argument", message),
  );
  expect(publisher.pending).toBe(0);
  expect(server.requests).toEqual([]);
});

test.each([
  [{ url: "http://127.0.0.1:1" }, /^url: expected grpc:/],
  [{ maxPending: 0 }, /^maxPending: expected 1 to 1,000,000, got 0$/],
  [{ timeout: 0.5 }, /^timeout: expected 1 to 3,600,000, got 0.5$/],
])("refuses the options %j", (options, text) => {
  expect(() => createPublisher({ url: "grpc://127.0.0.1:1", ...options })).toThrow(text);
});
