import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { buffer } from "node:stream/consumers";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { bearer, configuredKey } from "../../support/backends/backend.js";
import { cleanUp } from "../../support/clean-up.js";
import { type RunningNode, startCarillon } from "../../support/nodes/process.js";
import { connectGrpc, framed, openCall, rawCall } from "../../support/raw/grpc.js";
import { temporaryFile } from "../../support/temporary-files.js";

const MIB = 1_024 * 1_024;

/** Heap limit, far below the memory that the attacks would need. */
const HEAP = { NODE_OPTIONS: "--max-old-space-size=96" };

async function memoryOf(node: RunningNode): Promise<number> {
  const text = await (await fetch(`${node.http}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
}

const KEY = "secret-of-the-backend";

async function heldBy(node: RunningNode): Promise<number> {
  const text = await (await fetch(`${node.http}/metrics`)).text();
  return Number(/^carillon_receiving_bytes (\S+)$/m.exec(text)?.[1]);
}

/** Starts a node that requires keys. */
function startGuarded(limits: object = {}): Promise<RunningNode> {
  const config = { limits, vhosts: { "/": { keys: [configuredKey(KEY, { actions: ["*"] })] } } };
  return startCarillon(["--config", temporaryFile("carillon.yaml", JSON.stringify(config))], { environment: HEAP });
}

test("SECURITY: rejects health checks that inflate to 4 MiB each without using their memory", async () => {
  const node = await startGuarded();
  const service = Buffer.alloc(4 * MIB - 16, "x");
  const bomb = framed(gzipSync(Buffer.concat([Buffer.from([0x0a, 0xf0, 0xff, 0xff, 0x01]), service])), 1);
  expect(bomb.length).toBeLessThan(5_000);
  const before = await memoryOf(node);
  const session = await connectGrpc(node.grpc);
  for (let round = 0; round < 2; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: 256 }, () =>
        rawCall(session, "/grpc.health.v1.Health/Check", bomb, { "grpc-encoding": "gzip" }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([12]));
  }
  expect((await memoryOf(node)) - before).toBeLessThan(64 * MIB);
  expect((await fetch(`${node.http}/healthz`)).status).toBe(200);
});

const JSON_REQUEST = JSON.stringify({ messages: [{ topics: ["a"] }] }).padEnd(3_900_000);

/** Small budget, so that few requests exceed it. Brotli requests are inflated one at a time and count little before. */
const SMALL_BUDGET = { receiving: 24 * MIB };
const COMPRESSED: readonly (readonly [string, string, number, Uint8Array])[] = [
  ["br", "application/json", 80, brotliCompressSync(JSON_REQUEST)],
  ["gzip", "application/json", 60, gzipSync(JSON_REQUEST)],
  ["gzip", "application/grpc-web+json", 60, framed(gzipSync(JSON_REQUEST), 1)],
];

test.each(COMPRESSED)(
  "SECURITY: many requests at once that inflate to 3.9 MB each are refused beyond the budget: %s, %s, %i of them",
  async (encoding, contentType, many, body) => {
    const node = await startGuarded(SMALL_BUDGET);
    const before = await memoryOf(node);
    const header = contentType.startsWith("application/grpc-web") ? "grpc-encoding" : "content-encoding";
    const agent = new Agent({ keepAlive: true });
    cleanUp(() => agent.destroy());
    const post = async (): Promise<number> => {
      const request = httpRequest(`${node.http}/websockets.v1.BroadcastService/Publish`, {
        agent,
        method: "POST",
        headers: { "content-type": contentType, [header]: encoding, ...bearer(KEY) },
      });
      request.end(body);
      const [response] = (await once(request, "response")) as [IncomingMessage];
      const text = (await buffer(response)).toString();
      const status = /grpc-status: (\d+)/.exec(text)?.[1] ?? response.headers["grpc-status"];
      return Number(status ?? (response.statusCode === 200 ? 0 : response.statusCode === 429 ? 8 : -1));
    };
    const statuses = await Promise.all(Array.from({ length: many }, post));
    expect(new Set(statuses)).toEqual(new Set([0, 8]));
    expect((await memoryOf(node)) - before).toBeLessThan(200 * MIB);
    expect(await heldBy(node)).toBe(0);
    expect(await post()).toBe(0);
  },
);

test("SECURITY: refuses incomplete gRPC requests beyond the budget", async () => {
  const node = await startGuarded({ receiving: 24 * MIB });
  const before = await memoryOf(node);
  const part = framed(Buffer.alloc(900_000)).subarray(0, 800_000);
  const sessions = await Promise.all(Array.from({ length: 4 }, () => connectGrpc(node.grpc)));
  const calls = sessions.flatMap((session) =>
    Array.from({ length: 60 }, () => openCall(session, "/websockets.v1.BroadcastService/Publish", bearer(KEY))),
  );
  for (const { stream } of calls) stream.write(part);
  // Number of requests that fit in half of the budget.
  const fits = 15;
  await new Promise<void>((resolve) => {
    let refused = 0;
    for (const { ended } of calls) {
      void ended.then(({ status }) => {
        refused += status === 8 ? 1 : 0;
        if (refused === calls.length - fits) resolve();
      });
    }
  });
  expect(await heldBy(node)).toBeLessThanOrEqual(12 * MIB);
  expect((await memoryOf(node)) - before).toBeLessThan(150 * MIB);
  for (const session of sessions) session.destroy();
  while ((await heldBy(node)) > 0);
});
