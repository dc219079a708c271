import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Contender } from "../support/contender.js";
import { GrpcLoad } from "../support/grpc.js";
import { pause } from "../support/pause.js";
import { topicName } from "../support/payload.js";
import { findFreePorts } from "../support/ports.js";
import { Program } from "../support/program.js";
import type { Hello } from "../support/receiver.js";
import { checkBatch, encodeBatch } from "./centrifugo-requests.js";
import { inOrder } from "./in-order.js";

export const CENTRIFUGO_PUBLISH = "/centrifugal.centrifugo.api.CentrifugoApi/Publish";
const BATCH = "/centrifugal.centrifugo.api.CentrifugoApi/Batch";

/** Milliseconds within which the server must be ready. */
const START_TIMEOUT = 60_000;

export interface CentrifugoServer {
  readonly program: Program;
  readonly port: number;
  /** Address of the gRPC API, HOST:PORT. */
  readonly grpc: string;
  readonly stop: () => Promise<void>;
}

/** Starts Centrifugo with its defaults, and without tokens and keys, like the node it is compared with. */
export async function startCentrifugo(path: string): Promise<CentrifugoServer> {
  const [port = 0, grpcPort = 0] = await findFreePorts(2);
  const folder = mkdtempSync(join(tmpdir(), "carillon-bench-"));
  const file = join(folder, "config.json");
  writeFileSync(file, JSON.stringify(createConfig(port, grpcPort)));
  const url = `http://127.0.0.1:${port}`;
  const program = new Program(path, ["--config", file], {
    stdio: ["ignore", "ignore", "inherit"],
    // Twice, because a pool gives up what it holds at the second collection only.
    collect: async () => {
      for (let times = 0; times < 2; times += 1) await (await fetch(`${url}/debug/pprof/heap?gc=1`)).arrayBuffer();
    },
  });
  const stop = async (): Promise<void> => {
    await program.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await waitUntilReady(program, `${url}/health`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { program, port, grpc: `127.0.0.1:${grpcPort}`, stop };
}

function createConfig(port: number, grpcPort: number): object {
  return {
    http_server: { address: "127.0.0.1", port },
    grpc_api: { enabled: true, address: "127.0.0.1", port: grpcPort },
    http_api: { insecure: true },
    client: { allow_anonymous_connect_without_token: true },
    channel: { without_namespace: { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true } },
    health: { enabled: true },
    // Its path for profiles also collects garbage, before memory is measured.
    debug: { enabled: true },
    usage_stats: { disabled: true },
    log: { level: "error" },
  };
}

async function waitUntilReady(program: Program, url: string): Promise<void> {
  const end = performance.now() + START_TIMEOUT;
  for (;;) {
    program.check();
    try {
      const response = await fetch(url);
      if (response.ok) return;
    } catch {
      // It does not listen yet.
    }
    if (performance.now() > end) throw new Error(`Centrifugo is not ready after ${START_TIMEOUT / 1_000} s`);
    await pause(50);
  }
}

/** Makes a contender of a server. Its publisher makes one unary call for each turn, one after the other. */
export function centrifugoContender({ grpc, port, program, stop }: CentrifugoServer): Contender {
  const load = new GrpcLoad(grpc);
  return new Contender({
    name: "Centrifugo",
    server: { cpu: () => program.cpu(), memory: () => program.memory(), writes: () => program.writes(), stop },
    port,
    path: "/connection/websocket",
    join: createHello,
    publish: inOrder(async (entries) => {
      checkBatch(await load.call(BATCH, encodeBatch(entries)), entries.length);
    }),
    end: () => {
      load.close();
    },
  });
}

/** Connects and subscribes in one frame, so that a client costs as little as possible. */
function createHello(topics: readonly number[]): Hello {
  const subscribes = topics.map((topic, position) => ({ id: position + 2, subscribe: { channel: topicName(topic) } }));
  const commands = [{ id: 1, connect: {} }, ...subscribes].map((command) => JSON.stringify(command));
  return { says: [[commands.join("\n")]], answers: 1, until: `"id":${topics.length + 1},"subscribe"`, ping: "{}" };
}
