import { startNode } from "../support/carillon.js";
import type { ServerProcess } from "../support/contender.js";
import { PUBLISH_PATH } from "../support/grpc.js";
import { type FirstCall, GrpcConnections } from "../support/grpc-connections.js";
import { progress } from "../support/progress.js";
import { PAYLOAD_BYTES } from "../support/publish-ways.js";
import { waitUntilIdle } from "../support/quiet.js";
import type { Options } from "../support/report.js";
import { createNumbered, encodeEntries } from "../support/requests.js";
import { median, spread } from "../support/table.js";
import { CENTRIFUGO_PUBLISH, startCentrifugo } from "./centrifugo.js";
import { encodePublish } from "./centrifugo-requests.js";
import type { Field } from "./field.js";
import { GRPC_SERVERS, nameOf } from "./grpc.js";
import { ratio, type Section } from "./section.js";

const PEER = "Centrifugo";
/** Connections that come and go before memory is first measured, so that one-time allocations are done. */
const WARM_UP = 500;

/** Server in a new process. */
interface Started {
  readonly server: Pick<ServerProcess, "cpu" | "memory">;
  readonly call: FirstCall;
  readonly stop: () => Promise<void>;
}

/** Measures the memory of idle gRPC connections that have made one call, in new processes each round. */
export async function measureIdleGrpc({ centrifugo }: Field, { rounds, toy }: Options): Promise<Section> {
  const count = toy ? 200 : 5_000;
  const starts = new Map(GRPC_SERVERS.map((name) => [nameOf(name), () => startOurs(name)]));
  if (centrifugo !== undefined) starts.set(PEER, () => startPeer(centrifugo));
  const results = new Map<string, number[]>();
  for (let round = 1; round <= rounds; round += 1) {
    for (const [name, start] of starts) {
      progress(`peers: idle gRPC connections, round ${round} of ${rounds}, ${name}`);
      results.set(name, [...(results.get(name) ?? []), await measureGrowth(await start(), count)]);
    }
  }
  const medianOf = (name: string): number => median(results.get(name) ?? []);
  const rows = [...results].map(([name, kilobytes]) => [
    name,
    spread(kilobytes, 2),
    ratio(medianOf(name), medianOf(PEER)),
    ratio(medianOf(name), medianOf(nameOf("grpc-js"))),
  ]);
  const text = `**Idle gRPC connections**, ${count}, after one call each: growth of the resident memory of a new process, after a garbage collection.`;
  return {
    parts: [{ text, head: ["server", "KB each", "vs Centrifugo", "vs grpc-js"], rows }],
    bars: [{ what: "idle gRPC connection", limit: 12, found: medianOf(nameOf("native")), unit: "KB" }],
  };
}

/** Returns the growth of the resident memory by each connection, in KB, and stops the server. */
async function measureGrowth({ call, server, stop }: Started, count: number): Promise<number> {
  const connections = new GrpcConnections();
  try {
    await connections.open(Math.min(WARM_UP, count), call);
    connections.close();
    await waitUntilIdle(server);
    const before = await server.memory();
    await connections.open(count, call);
    await waitUntilIdle(server);
    return ((await server.memory()).resident - before.resident) / count / 1_024;
  } finally {
    connections.close();
    await stop();
  }
}

const MESSAGE = createNumbered(1, [1], PAYLOAD_BYTES);

async function startOurs(server: (typeof GRPC_SERVERS)[number]): Promise<Started> {
  const config = { grpc: { listen: "127.0.0.1:0", server } };
  const { child, grpc } = await startNode({ config, flags: ["--expose-gc"] });
  const call = { address: grpc, path: PUBLISH_PATH, request: encodeEntries(MESSAGE) };
  return { server: child, call, stop: () => child.stop() };
}

async function startPeer(path: string): Promise<Started> {
  const { grpc, program, stop } = await startCentrifugo(path);
  const call = { address: grpc, path: CENTRIFUGO_PUBLISH, request: encodePublish(MESSAGE) };
  return { server: program, call, stop };
}
