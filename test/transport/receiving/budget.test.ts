import { type ClientRequest, request as httpRequest } from "node:http";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { cleanUp } from "../../support/clean-up.js";
import { metric } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

/** Bytes that one address may hold: half of the node's budget. */
const SHARE = 2 * 1_024 * 1_024;
const LIMITS = { receiving: 2 * SHARE, request: 256 * 1_024, frame: 256 * 1_024, payload: 128 * 1_024 };

const PUBLISH = "/websockets.v1.BroadcastService/Publish";
const MESSAGE = JSON.stringify({ messages: [{ topics: ["a"] }] });

const HELD = "carillon_receiving_bytes";
const REFUSED = 'carillon_receiving_refused_total{share="address"}';

/** Requests that hold bytes of this address, because the node waits for their last byte. */
async function hold(node: TestNode, bytes: number): Promise<ClientRequest[]> {
  const held: ClientRequest[] = [];
  for (let left = bytes; left > 0; left -= 200_000) {
    const length = Math.min(left, 200_000);
    const request = httpRequest(node.http + PUBLISH, {
      method: "POST",
      headers: { "content-type": "application/json", "content-length": length + 1 },
    });
    request.on("error", () => {});
    cleanUp(() => request.destroy());
    request.write(Buffer.alloc(length, " "));
    held.push(request);
  }
  while ((await metric(node, HELD)) < bytes);
  return held;
}

interface Sent {
  readonly path: string;
  readonly type?: string;
  readonly encoding?: string;
  readonly body: Uint8Array;
}

async function post(node: TestNode, { body, encoding, path, type = "application/json" }: Sent): Promise<Response> {
  const headers = { "content-type": type, ...(encoding !== undefined && { "content-encoding": encoding }) };
  return fetch(node.http + path, { method: "POST", headers, body: new Uint8Array(body) });
}

const BODY = Buffer.from(JSON.stringify({ channel: "a", event: "e", payload: "x".repeat(60_000), data: "x" }));

describe("refuses a request that exceeds the budget with Retry-After, and accepts it when bytes are free", () => {
  test.each([
    ["Connect", { path: PUBLISH, body: Buffer.from(MESSAGE.padEnd(60_000)) }],
    ["Connect, gzip", { path: PUBLISH, encoding: "gzip", body: gzipSync(MESSAGE.padEnd(200_000)) }],
    ["Connect, brotli", { path: PUBLISH, encoding: "br", body: brotliCompressSync(MESSAGE.padEnd(200_000)) }],
    ["Broadcaster's REST", { path: "/broadcaster/publish", body: BODY }],
    ["RootSocket's REST", { path: "/api/v1/messages/", body: BODY }],
  ])("%s", async (_, sent) => {
    const node = await startNode({ limits: LIMITS });
    const held = await hold(node, SHARE - 20_000);
    const refused = await post(node, sent);
    expect(refused.status).toBe(429);
    expect(await refused.text()).toContain("too much data in transit");
    expect(await metric(node, REFUSED)).toBe(1);

    // A caller that disconnects releases its bytes.
    for (const request of held) request.destroy();
    while ((await metric(node, HELD)) > 0);
    expect((await post(node, sent)).ok).toBe(true);
    expect(await metric(node, HELD)).toBe(0);
  });
});

test.each(["/broadcaster/publish", "/api/v1/messages/"])("sends Retry-After at %s", async (path) => {
  const node = await startNode({ limits: LIMITS });
  await hold(node, SHARE - 20_000);
  expect((await post(node, { path, body: BODY })).headers.get("retry-after")).toBe("1");
});

test("releases bytes when requests are complete, refused or malformed", async () => {
  const node = await startNode({ limits: LIMITS });
  const bodies = [
    MESSAGE,
    MESSAGE.padEnd(LIMITS.request + 1),
    "{",
    JSON.stringify({ messages: [{ topics: [""] }] }),
  ].map((text) => Buffer.from(text));
  for (const body of bodies) {
    for (const path of [PUBLISH, "/broadcaster/publish", "/api/v1/messages/", "/api/v1/tokens/"]) {
      await (await post(node, { path, body })).text();
      await (await post(node, { path, body: gzipSync(body), encoding: "gzip" })).text();
      await (await post(node, { path, body, type: "application/proto" })).text();
    }
  }
  expect(await metric(node, HELD)).toBe(0);
});
