import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect as connectSocket } from "node:net";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { grpcClient, peersOf } from "../support/backends/peers.js";
import { startNats } from "../support/nats/server.js";
import { MESSAGES_IN, untilMetric } from "../support/nodes/metrics.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { rawPeersOf } from "../support/raw/peers.js";

// jest fails a test when a rejection is unhandled or an exception is uncaught.

const FAST = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
const PATH = "/websockets.v1.BroadcastService/Publish";

/** Publishes with every kind of client. @returns the statuses */
function statuses(node: TestNode): Promise<number[]> {
  return Promise.all(peersOf(node).map(async (peer) => (await peer.publish([{ topics: ["a"] }])).status));
}

const ALL_WELL = [0, 0, 0, 0, 0];

/** Sends raw bytes. @returns all bytes until the server closes */
async function rawHttp(node: TestNode, text: string): Promise<string> {
  const socket = connectSocket(Number(new URL(node.http).port), "127.0.0.1");
  socket.write(text);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

test.each([
  ["none", ""],
  ["an invalid host", "Host: [\r\n"],
  ["one with a space", "Host: a b\r\n"],
])("O8: refuses a request with an invalid Host header: %s", async (_, host) => {
  const node = await startNode();
  const head = `POST ${PATH} HTTP/1.0\r\n${host}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
  expect(await rawHttp(node, head)).toMatch(/^HTTP\/1\.1 400 /);
  expect(await statuses(node)).toEqual(ALL_WELL);
});

test("O8: survives a caller that disconnects during its request", async () => {
  const node = await startNode();
  for (const contentType of ["application/json", "application/proto", "application/grpc-web+proto"]) {
    const request = httpRequest(node.http + PATH, {
      method: "POST",
      headers: { "content-type": contentType, "content-length": 1_000, expect: "100-continue" },
    });
    request.on("error", () => {
      // The test itself resets the connection.
    });
    request.flushHeaders();
    await once(request, "continue");
    request.write("{");
    const closed = new Promise((resolve) => {
      request.once("close", resolve);
    });
    request.destroy();
    await closed;
  }
  expect(await statuses(node)).toEqual(ALL_WELL);
});

test("E8: sends the status to a caller that never stops sending, before it disconnects it", async () => {
  const node = await startNode();
  const request = httpRequest(node.http + PATH, {
    method: "POST",
    headers: { "content-type": "application/proto", "transfer-encoding": "chunked" },
  });
  const answered = once(request, "response") as Promise<[IncomingMessage]>;
  const chunk = Buffer.alloc(65_536);
  let answer: [IncomingMessage] | undefined;
  // A drain event has no arguments; a response has one.
  while (answer?.length !== 1) {
    request.write(chunk);
    answer = (await Promise.race([answered, once(request, "drain")])) as [IncomingMessage];
  }
  const [response] = await answered;
  expect(response.statusCode).toBe(429);
  request.destroy();
  expect(await statuses(node)).toEqual(ALL_WELL);
});

test("R17: cuts an error text that quotes the request, so that the status arrives", async () => {
  const node = await startNode();
  for (const peer of peersOf(node)) {
    // A careless cut would leave half a surrogate pair.
    for (const name of ["x".repeat(500_000), `x${"😀".repeat(100_000)}`, "😀".repeat(100_000)]) {
      const unknown = await peer.publish([{ topics: ["a"], broker: name }]);
      expect(unknown.status).toBe(5);
      expect(unknown.message.length).toBeLessThan(1_200);
      expect(await peer.publish([{ topics: ["a"], command: name }])).toMatchObject({ status: 3 });
    }
  }
});

test("O8: fails only the caller when a deadline has passed or passes while NATS is silent", async () => {
  const nats = await startNats();
  const node = await startNode({ brokers: { nats: { driver: "nats", servers: [nats.url] } } });
  const client = grpcClient(node);
  const publish = (deadline: number): Promise<number> =>
    new Promise((resolve) => {
      client.Publish({ messages: [{ topics: ["a"] }] }, { deadline }, (error) => resolve(error?.code ?? 0));
    });
  expect(await publish(Date.now() - 1)).toBe(4);
  nats.signal("SIGSTOP");
  expect(await publish(Date.now() + 200)).toBe(4);
  nats.signal("SIGCONT");
  expect(await statuses(node)).toEqual(ALL_WELL);
});

test("O8: survives callers that cancel while NATS is silent", async () => {
  const nats = await startNats();
  const node = await startNode({ brokers: { nats: { driver: "nats", servers: [nats.url] } } });
  const client = grpcClient(node);
  nats.signal("SIGSTOP");
  const outcome = new Promise<number>((resolve) => {
    const call = client.Publish({ messages: [{ topics: ["a"] }] }, {}, (error) => resolve(error?.code ?? 0));
    untilMetric(node, MESSAGES_IN, 1).then(
      () => call.cancel(),
      () => call.cancel(),
    );
  });
  expect(await outcome).toBe(1);
  const aborted = new AbortController();
  const fetched = fetch(node.http + PATH, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"messages":[{"topics":["a"]}]}',
    signal: aborted.signal,
  });
  await untilMetric(node, MESSAGES_IN, 2);
  aborted.abort();
  await expect(fetched).rejects.toThrow("aborted");
  nats.signal("SIGCONT");
  expect(await statuses(node)).toEqual(ALL_WELL);
});

test("E8: stops inflating a small request at the limit", async () => {
  const node = await startNode();
  const size = 256 * 1_024 * 1_024;
  const bombs = { gzip: gzipSync(Buffer.alloc(size), { level: 1 }), br: brotliCompressSync(Buffer.alloc(size), FAST) };
  for (const peer of rawPeersOf(node).filter(({ name }) => name !== "grpc")) {
    for (const [claimed, bytes] of Object.entries(bombs)) {
      const before = process.memoryUsage().arrayBuffers;
      const answered = peer.send({ bytes, claimed });
      expect(await answered).toMatchObject({ status: 8 });
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(size / 4);
    }
  }
});
