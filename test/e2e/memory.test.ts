import { gzipSync } from "node:zlib";
import { configuredKey } from "../support/backend.js";
import { type RunningNode, startCarillon } from "../support/process.js";
import { connectGrpc, framed, rawCall } from "../support/raw-grpc.js";
import { temporaryFile } from "../support/temporary-files.js";

const MIB = 1_024 * 1_024;

/** Far less than the attacks would need. */
const HEAP = { NODE_OPTIONS: "--max-old-space-size=96" };

async function memoryOf(node: RunningNode): Promise<number> {
  const text = await (await fetch(`${node.http}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1]);
}

/** A node that asks for keys. */
function startGuarded(): Promise<RunningNode> {
  const config = { vhosts: { "/": { keys: [configuredKey("secret-of-the-backend", { actions: ["*"] })] } } };
  return startCarillon(["--config", temporaryFile("carillon.yaml", JSON.stringify(config))], { environment: HEAP });
}

test("SECURITY: health checks that inflate to 4 MiB each do not move the memory of a node", async () => {
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
