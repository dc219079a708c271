import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect as connectSocket } from "node:net";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { grpcClient, peersOf } from "../support/backends/peers.js";
import { startNats } from "../support/nats/server.js";
import { MESSAGES_IN, untilMetric } from "../support/nodes/metrics.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { rawPeersOf } from "../support/raw/peers.js";

// jest fails a test during which a rejection is handled by nobody, or an exception caught by nobody.

const FAST = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
const PATH = "/websockets.v1.BroadcastService/Publish";

/** The statuses that a publish by every kind of client ends with. */
function statuses(node: TestNode): Promise<number[]> {
  return Promise.all(peersOf(node).map(async (peer) => (await peer.publish([{ topics: ["a"] }])).status));
}

const ALL_WELL = [0, 0, 0, 0, 0];

/** Sends bytes as they are and gives what comes until the server ends. */
async function rawHttp(node: TestNode, text: string): Promise<string> {
  const socket = connectSocket(Number(new URL(node.http).port), "127.0.0.1");
  socket.write(text);
  let answer = "";
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

test.each([
  ["none", ""],
  ["one that is no host", "Host: [\r\n"],
  ["one with a space", "Host: a b\r\n"],
])("O8: a request with a Host header that cannot be used is refused: %s", async (_, host) => {
  const node = await startNode();
  const head = `POST ${PATH} HTTP/1.0\r\n${host}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`;
  expect(await rawHttp(node, head)).toMatch(/^HTTP\/1\.1 400 /);
  expect(await statuses(node)).toEqual(ALL_WELL);
});

test("O8: a caller that goes away in the middle of its request harms nobody", async () => {
  const node = await startNode();
  for (const contentType of ["application/json", "application/proto", "application/grpc-web+proto"]) {
    const request = httpRequest(node.http + PATH, {
      method: "POST",
      headers: { "content-type": contentType, "content-length": 1_000, expect: "100-continue" },
    });
    request.on("error", () => {
      // It is we who cut it.
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

test("E8: a caller that sends on without end gets the status, and is not cut off before it", async () => {
  const node = await startNode();
  const request = httpRequest(node.http + PATH, {
    method: "POST",
    headers: { "content-type": "application/proto", "transfer-encoding": "chunked" },
  });
  const answered = once(request, "response") as Promise<[IncomingMessage]>;
  const chunk = Buffer.alloc(65_536);
  let answer: [IncomingMessage] | undefined;
  // A drain event has no arguments, a response one.
  while (answer?.length !== 1) {
    request.write(chunk);
    answer = (await Promise.race([answered, once(request, "drain")])) as [IncomingMessage];
  }
  const [response] = await answered;
  expect(response.statusCode).toBe(429);
  request.destroy();
  expect(await statuses(node)).toEqual(ALL_WELL);
});

test("R17: cuts a text that quotes the request, so that the status arrives", async () => {
  const node = await startNode();
  for (const peer of peersOf(node)) {
    // Half a surrogate pair is left where a cut goes through the middle of one.
    for (const name of ["x".repeat(500_000), `x${"😀".repeat(100_000)}`, "😀".repeat(100_000)]) {
      const unknown = await peer.publish([{ topics: ["a"], broker: name }]);
      expect(unknown.status).toBe(5);
      expect(unknown.message.length).toBeLessThan(1_200);
      expect(await peer.publish([{ topics: ["a"], command: name }])).toMatchObject({ status: 3 });
    }
  }
});

test("O8: a deadline that has passed, or passes while NATS is silent, is the caller's only", async () => {
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

test("O8: callers that give up while NATS is silent harm nobody", async () => {
  const nats = await startNats();
  const node = await startNode({ brokers: { nats: { driver: "nats", servers: [nats.url] } } });
  const client = grpcClient(node);
  nats.signal("SIGSTOP");
  const given = new Promise<number>((resolve) => {
    const call = client.Publish({ messages: [{ topics: ["a"] }] }, {}, (error) => resolve(error?.code ?? 0));
    untilMetric(node, MESSAGES_IN, 1).then(
      () => call.cancel(),
      () => call.cancel(),
    );
  });
  expect(await given).toBe(1);
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

test("E8: what a small request inflates to beyond the limit never exists", async () => {
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
