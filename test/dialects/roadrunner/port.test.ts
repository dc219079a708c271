import { once } from "node:events";
import { existsSync, renameSync, statSync, writeFileSync } from "node:fs";
import { connect as connectSocket, createServer } from "node:net";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { RequestSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { encodeError } from "../../../src/dialects/roadrunner/frame.js";
import { RoadRunnerListener } from "../../../src/dialects/roadrunner/listener.js";
import { createCarillon } from "../../../src/index.js";
import { ByteBudget } from "../../../src/net/byte-budget.js";
import { createLog } from "../../../src/observe/log.js";
import type { ListenUrl } from "../../../src/util/listen-url.js";
import { grpcClient, grpcPeer } from "../../support/backends/peers.js";
import { cleanUp } from "../../support/clean-up.js";
import { connect } from "../../support/clients/native.js";
import { ManualClock } from "../../support/manual-clock.js";
import { startNats } from "../../support/nats/server.js";
import { TestAuthority } from "../../support/net/certificates.js";
import { startNode } from "../../support/nodes/node.js";
import { temporaryFolder } from "../../support/temporary-files.js";
import { type FrameParts, frameOf, RpcClient, rpcClient } from "./support.js";

const LISTEN = { roadrunner: { listen: "tcp://127.0.0.1:0" } };
const METHOD = "broadcast.Publish";
const MIB = 1_048_576;

/** Lets turns of the event loop pass until the condition holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

function publish(payload: string | Uint8Array, ...topics: string[]): Uint8Array {
  return toBinary(RequestSchema, create(RequestSchema, { messages: [{ topics, payload: Buffer.from(payload) }] }));
}

/** Starts a listener without a node; the test answers its publishes. */
async function startListener(url: ListenUrl = { kind: "tcp", host: "127.0.0.1", port: 0 }) {
  const clock = new ManualClock();
  const budget = new ByteBudget(64 * MIB);
  const waiting: (() => void)[] = [];
  const started: string[] = [];
  const listener = new RoadRunnerListener({
    url,
    clock,
    budget,
    requestBytes: 4 * MIB,
    connections: 60,
    publisher: {
      historyOf: () => undefined,
      accept: () => [],
      publish: async (_, drafts) => {
        started.push(Buffer.from(drafts[0]?.payload ?? "").toString());
        await new Promise<void>((resolve) => waiting.push(resolve));
        return [];
      },
    },
    source: { kind: "backend", vhost: "/", sender: "", skipsEmptyTopics: true, refusal: () => undefined },
    checkVhost: () => {},
    onPublished: () => {},
    onFault: (cause) => {
      throw cause;
    },
  });
  cleanUp(() => listener.terminate());
  const where = await listener.listen();
  const open = async (): Promise<RpcClient> => {
    const socket = connectSocket(Number(/:(\d+)$/.exec(where)?.[1]), "127.0.0.1");
    cleanUp(() => socket.destroy());
    await once(socket, "connect");
    return new RpcClient(socket);
  };
  const answerAll = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  return { listener, clock, budget, waiting, started, open, answerAll };
}

test("G2: answers the golden error frame byte for byte", () => {
  const frame = encodeError({ flags: 0x80, sequence: 1, method: Buffer.from(METHOD) }, "boom");
  expect(frame.toString("hex")).toBe(
    "15c015000000fd7d0b6c0000010000001100000062726f6164636173742e5075626c697368626f6f6d",
  );
});

test("G1: reads frames in any segments, and several in one", async () => {
  const node = await startNode(LISTEN);
  const listener = await connect(`${node.ws}/ws`);
  await listener.join("foo");
  const client = await rpcClient(node);
  client.socket.setNoDelay(true);
  const frame = frameOf(METHOD, publish("a", "foo"));
  for (const cut of [1, 9, 10, 19, 20, 21, 36, 37, 38, frame.length - 1]) {
    client.send(frame.subarray(0, cut));
    // A round trip elsewhere, so that the bytes sent so far are a segment of their own.
    await listener.join("foo");
    client.send(frame.subarray(cut));
    expect((await client.next()).body.toString("hex")).toBe("0801");
    expect(await listener.next()).toMatchObject({ payload: "a" });
  }
  const many = Array.from({ length: 500 }, (_, sequence) =>
    frameOf(METHOD, publish(`${sequence}`, "foo"), { sequence }),
  );
  client.send(Buffer.concat(many));
  const sequences: number[] = [];
  for (const [position] of many.entries()) {
    sequences.push((await client.next()).sequence);
    expect(await listener.next()).toMatchObject({ payload: `${position}` });
  }
  expect(sequences.toSorted((a, b) => a - b)).toEqual(many.map((_, position) => position));
});

const MALFORMED: readonly (readonly [string, FrameParts])[] = [
  ["a wrong checksum", { checksum: 1 }],
  ["ten options", { first: 0x1d }],
  ["no options", { first: 0x13 }],
  ["another version", { first: 0x25 }],
  ["a name longer than the payload", { nameBytes: 1_000 }],
  ["a name of more than 255 bytes", { nameBytes: 256, payloadBytes: 300 }],
];

test.each(MALFORMED)("G2: drops a connection on %s, and publishes nothing", async (_, parts) => {
  const node = await startNode(LISTEN);
  const listener = await connect(`${node.ws}/ws`);
  await listener.join("foo");
  const bad = await rpcClient(node);
  bad.send(frameOf(METHOD, publish("bad", "foo"), parts));
  await bad.closed;
  await (await rpcClient(node)).call(METHOD, publish("sentinel", "foo"));
  expect(await listener.next()).toMatchObject({ payload: "sentinel" });
});

test("G6: refuses a request that is too large by its header, and keeps the connection", async () => {
  const node = await startNode(LISTEN);
  const client = await rpcClient(node);
  const head = frameOf(METHOD, "", { sequence: 5, payloadBytes: METHOD.length + 4 * MIB + 1 });
  client.send(head);
  const refused = await client.next();
  expect([refused.sequence, refused.body.toString()]).toEqual([5, "the request is larger than 4194304 bytes"]);
  client.send(Buffer.alloc(4 * MIB + 1));
  expect((await client.call(METHOD, publish("x", "foo"))).body.toString("hex")).toBe("0801");
  const largest = await client.call(METHOD, publish("x".repeat(4 * MIB - 100), "foo"));
  expect(largest.body.toString()).toContain("the limit is 1048576");
  const pinged = await client.call(METHOD, "", { stream: 4 });
  expect(pinged.body.toString()).toBe("streams are not supported");
});

test("E10: refuses a request with too many fields or channels before decoding it", async () => {
  const node = await startNode(LISTEN);
  const client = await rpcClient(node);
  const topics = Array.from({ length: 140_000 }, () => "");
  const published = toBinary(RequestSchema, create(RequestSchema, { messages: [{ topics }] }));
  expect((await client.call(METHOD, published)).body.toString()).toContain("too many fields");
  const channels = Buffer.from("0a0161".repeat(65_537), "hex");
  expect((await client.call("centrifuge.Broadcast", channels)).body.toString()).toBe(
    "the request cannot be decoded: too many channels: the limit is 65536",
  );
  expect((await client.call(METHOD, publish("x", "foo"))).body.toString("hex")).toBe("0801");
});

test("G6: counts received bytes in the node's budget, and gives them back", async () => {
  const { budget, open } = await startListener();
  const clients = await Promise.all(Array.from({ length: 20 }, open));
  const frame = frameOf(METHOD, publish("x".repeat(4 * MIB - 100), "foo"));
  for (const client of clients) client.send(frame.subarray(0, -1));
  // One address may use half of the budget: some requests are refused before they are complete.
  const refused = await Promise.race(clients.map((client) => client.next()));
  expect(refused.body.toString()).toContain("too much data in transit");
  expect(budget.used).toBeLessThanOrEqual(32 * MIB);
  for (const client of clients) client.socket.destroy();
  await until(() => budget.used === 0);
});

test("G6: stops reading a connection with 256 unanswered requests until some are answered", async () => {
  const { answerAll, open, started, waiting } = await startListener();
  const client = await open();
  const requests = 2_000;
  const frames = Array.from({ length: requests }, (_, sequence) =>
    frameOf(METHOD, publish(`${sequence}${"x".repeat(1_000)}`, "foo"), { sequence }),
  );
  client.send(Buffer.concat(frames));
  await until(() => waiting.length >= 256);
  // Round trips of another connection, during which the node would have read on.
  const other = await open();
  for (let round = 0; round < 20; round += 1) await other.call("rpc.Version", "true", { flags: 0x08 });
  // Besides these, at most the requests of one read.
  expect(waiting.length).toBeLessThan(256 + 65_536 / 1_000);
  for (let answers = 0; answers < requests; ) {
    const round = waiting.length;
    answerAll();
    for (let answer = 0; answer < round; answer += 1) await client.next();
    answers += round;
    if (answers < requests) await until(() => waiting.length > 0);
  }
  expect(started.map((text) => Number.parseInt(text, 10))).toEqual(frames.map((_, position) => position));
});

test("G6: uses one timer for 50 connections, and cuts the stuck ones", async () => {
  const { answerAll, clock, open, waiting } = await startListener();
  const clients = await Promise.all(Array.from({ length: 50 }, open));
  const [stuck, busy, idle] = clients;
  if (stuck === undefined || busy === undefined || idle === undefined) throw new Error("no clients");
  stuck.send(frameOf(METHOD, "").subarray(0, 10));
  busy.send(frameOf(METHOD, publish("a", "foo")));
  await until(() => waiting.length > 0);
  expect(clock.timers).toBe(1);
  clock.advance(60_000);
  await stuck.closed;
  answerAll();
  expect((await busy.next()).sequence).toBe(1);
  const answer = idle.call("rpc.Version", "true", { flags: 0x08 });
  expect((await answer).flags).toBe(0x08);
  expect(clock.timers).toBe(1);
  for (const client of clients) client.socket.destroy();
  await until(() => clock.timers === 0);
});

test("G6: closes a connection beyond the limit", async () => {
  const { open } = await startListener();
  await Promise.all(Array.from({ length: 60 }, open));
  const refused = await open();
  await expect(refused.next()).rejects.toThrow("the connection has ended");
});

test("G8: answers requests in progress at a stop, and ends idle connections", async () => {
  const { answerAll, listener, open, waiting } = await startListener();
  const [busy, idle] = [await open(), await open()];
  busy.send(frameOf(METHOD, publish("a", "foo")));
  await until(() => waiting.length > 0);
  const closed = listener.close();
  await idle.closed;
  answerAll();
  expect((await busy.next()).body.toString("hex")).toBe("0801");
  await Promise.all([closed, busy.closed]);
});

test("G8: answers a peer that has ended its side", async () => {
  const { answerAll, open, waiting } = await startListener();
  const client = await open();
  client.socket.end(frameOf(METHOD, publish("a", "foo")));
  await until(() => waiting.length > 0);
  answerAll();
  expect((await client.next()).body.toString("hex")).toBe("0801");
  await client.closed;
});

test("G8: stops a node with open connections at once", async () => {
  const node = await startNode({ ...LISTEN, stop_timeout: "10m" });
  const client = await rpcClient(node);
  await client.call(METHOD, "");
  await node.carillon.stop();
  await expect(client.next()).rejects.toThrow("the connection has ended");
});

test("G5: answers Publish and PublishAsync with an error while NATS is away", async () => {
  const nats = await startNats();
  const node = await startNode({ brokers: { nats: { driver: "nats", servers: [nats.url] } }, ...LISTEN });
  const client = await rpcClient(node);
  expect((await client.call(METHOD, publish("a", "foo"))).body.toString("hex")).toBe("0801");
  await nats.kill();
  let answer = await client.call(METHOD, publish("a", "foo"));
  expect(answer.flags).toBe(0xc0);
  while (!answer.body.toString().includes("is not connected")) answer = await client.call(METHOD, publish("a", "foo"));
  expect((await client.call("broadcast.PublishAsync", publish("a", "foo"))).flags).toBe(0xc0);
});

function at(path: string) {
  return { roadrunner: { listen: `unix://${path}`, vhost: "/" } };
}

describe("a Unix socket", () => {
  test("G7: restricts a Unix socket to its owner and group, and removes it at a stop", async () => {
    const path = join(temporaryFolder(), "rpc.sock");
    const node = await startNode(at(path));
    expect(node.carillon.addresses?.roadrunner).toEqual([`unix://${path}`]);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    expect((await (await rpcClient(node)).call(METHOD, "")).body.toString("hex")).toBe("0801");
    await node.carillon.stop();
    expect(existsSync(path)).toBe(false);
  });

  test("G7: replaces the socket file of a killed process", async () => {
    const path = join(temporaryFolder(), "rpc.sock");
    const left = createServer().listen(path);
    await once(left, "listening");
    // Like a killed process, closes the handle without removing the file.
    const moved = `${path}.moved`;
    renameSync(path, moved);
    await new Promise((resolve) => left.close(resolve));
    renameSync(moved, path);
    expect(statSync(path).isSocket()).toBe(true);
    const node = await startNode(at(path));
    expect((await (await rpcClient(node)).call(METHOD, "")).body.toString("hex")).toBe("0801");
  });

  test("G7: refuses to start on a socket in use, or on a file that is not a socket", async () => {
    const folder = temporaryFolder();
    const used = join(folder, "used.sock");
    const first = await startNode(at(used));
    const refused = /^cannot listen on roadrunner address unix:.*EADDRINUSE/;
    await expect(startNode(at(used))).rejects.toThrow(refused);
    expect((await (await rpcClient(first)).call(METHOD, "")).body.toString("hex")).toBe("0801");
    const file = join(folder, "file");
    writeFileSync(file, "mine");
    await expect(startNode(at(file))).rejects.toThrow(refused);
    expect(statSync(file).size).toBe(4);
  });
});

test("G7: refuses addresses other than loopback unless insecure is on", async () => {
  const config = { http: "127.0.0.1:0", grpc: "127.0.0.1:0", roadrunner: { listen: "tcp://0.0.0.0:0" } };
  const log = createLog({ level: "silent", format: "json" });
  expect(() => createCarillon(config, log)).toThrow(/^roadrunner\.listen: tcp:\/\/0\.0\.0\.0:0 .*--insecure/);
  const node = await startNode({ ...config, insecure: true });
  expect(node.carillon.addresses?.roadrunner[0]).toMatch(/^tcp:\/\/0\.0\.0\.0:\d+$/);
});

test.each(["without TLS", "with TLS"])("G9: logs once what to do when frames reach the gRPC port (%s)", async (way) => {
  const { certFile: cert_file, keyFile: key_file } = await (await TestAuthority.create()).issue("localhost");
  const tls = way === "with TLS" ? { tls: { cert_file, key_file } } : {};
  const records: string[] = [];
  const log = Object.assign(createLog({ level: "silent", format: "json" }), {
    // Some log records have fields before their text.
    warn: (...parts: unknown[]) => records.push(String(parts.at(-1))),
  });
  const carillon = createCarillon({ http: "127.0.0.1:0", grpc: "127.0.0.1:0", ...tls }, log);
  cleanUp(() => carillon.stop());
  await carillon.start();
  const { grpc = "", http = "" } = carillon.addresses ?? {};
  const send = async (bytes: Uint8Array): Promise<void> => {
    const socket = connectSocket(Number(grpc.split(":")[1]), "127.0.0.1");
    cleanUp(() => socket.destroy());
    socket.on("error", () => {
      // The node has closed the connection.
    });
    socket.resume().write(bytes);
    await once(socket, "close");
  };
  // A TLS alert begins with the same byte.
  await send(Buffer.from("15030300020228", "hex"));
  expect(records.filter((text) => text.includes("goridge"))).toEqual([]);
  for (let count = 0; count < 3; count += 1) await send(frameOf(METHOD, publish("a", "foo")));
  expect(records.filter((text) => text.includes("goridge"))).toEqual([
    expect.stringContaining("set roadrunner.listen, such as tcp://127.0.0.1:6002"),
  ]);
  if (way === "with TLS") return;
  const peer = grpcPeer(grpcClient({ carillon, grpc, http, ws: "" }));
  expect(await peer.publish([{ topics: ["a"] }])).toMatchObject({ status: 0 });
});
