import { connect, type Socket } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { CallPartsRequestSchema, CallService } from "../../gen/carillon/v1/call_pb.js";
import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { PresenceService } from "../../gen/carillon/v1/presence_pb.js";
import { isDisconnect } from "../../src/rpc/faults.js";
import { CALL_ACTIONS } from "../../src/rpc/services/calls.js";
import { callersOf, startMounts, type TestMounts } from "../support/backends/mounts.js";
import { grpcClient } from "../support/backends/peers.js";
import { PublishStream } from "../support/backends/publish-stream.js";
import { startWorker } from "../support/backends/worker.js";
import { cleanUp } from "../support/clean-up.js";
import { recordLog, type TestLog } from "../support/nodes/log-records.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { everybody } from "./support/keys.js";

interface World {
  readonly node: TestNode;
  readonly log: TestLog;
}

async function start(): Promise<World> {
  const log = recordLog();
  return { log, node: await startNode({ vhosts: { "/": { presence: true } } }, log.log) };
}

/** Returns the errors logged, after stopping the node so that all are. */
async function expectNoErrors({ log, node }: World): Promise<void> {
  await node.carillon.stop();
  expect(log.of("error")).toEqual([]);
}

test("R8: logs no error when the caller of a stream disconnects, on any mount", async () => {
  const world = await start();
  const { node } = world;
  const worker = await startWorker(node, ["held"]);
  for (const caller of callersOf(node)) {
    const parts = caller.open(CallService.method.callParts, { event: "held" });
    const part = parts.next();
    worker.answer(await worker.tasks.next(), "part", true);
    await part;
    await parts.return(undefined);
    await worker.cancelled.next();
    for (const [method, request] of [
      [ControlService.method.watchConnections, {}],
      [PresenceService.method.watchPresence, { topic: "room" }],
    ] as const) {
      const changes = caller.open(method, request);
      await changes.next();
      await changes.return(undefined);
    }
  }
  await expectNoErrors(world);
});

test("R8: logs no error when a worker and a backend with a PublishStream disconnect", async () => {
  const world = await start();
  const { node } = world;
  for (let round = 0; round < 5; round += 1) {
    const worker = await startWorker(node, ["held"]);
    const stream = new PublishStream(grpcClient(node));
    stream.write({ topics: ["a"] });
    await stream.next();
    worker.close();
    stream.call.cancel();
    await stream.status;
  }
  await expectNoErrors(world);
});

/** Sends a raw request, and only reads the first bytes of its answer. */
function openRaw({ http }: Pick<TestMounts, "http">, contentType: string): Socket {
  const message = Buffer.from(toBinary(CallPartsRequestSchema, create(CallPartsRequestSchema, { event: "held" })));
  const envelope = Buffer.alloc(5);
  envelope.writeUInt32BE(message.length, 1);
  const { host, port } = new URL(http);
  const socket = connect(Number(port), "127.0.0.1").on("error", () => {});
  cleanUp(() => socket.destroy());
  const head = [
    "POST /carillon.v1.CallService/CallParts HTTP/1.1",
    `host: ${host}`,
    `content-type: ${contentType}`,
    `content-length: ${envelope.length + message.length}`,
  ];
  socket.write(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), envelope, message]));
  return socket;
}

/** Answers endlessly. */
const flood = {
  async *callParts() {
    for (;;) {
      yield { payload: Buffer.alloc(100_000) };
      await new Promise(setImmediate);
    }
  },
  call: () => ({}),
  trigger: () => ({}),
};

test.each(["application/connect+proto", "application/grpc-web+proto"])(
  "R8: reports no fault when the connection breaks during a write: %s",
  async (contentType) => {
    const service = { service: CallService, implementation: flood, actions: CALL_ACTIONS };
    const mounts = await startMounts({ services: [service], directory: everybody() });
    for (let round = 0; round < 20; round += 1) {
      const client = openRaw(mounts, contentType);
      let bytes = 0;
      await new Promise<void>((resolve) => {
        client.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > 1_000_000) resolve();
        });
      });
      const [socket] = [...mounts.sockets].slice(-1);
      client.resetAndDestroy();
      if (socket !== undefined && !socket.destroyed) {
        await new Promise((resolve) => {
          socket.once("close", resolve);
        });
      }
      await new Promise(setImmediate);
    }
    expect(mounts.faults).toEqual([]);
  },
);

test("R8: distinguishes a disconnect from a fault", () => {
  for (const code of ["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE"]) {
    const error = Object.assign(new Error(code), { code });
    expect([isDisconnect(error), isDisconnect(new Error("wrapped", { cause: error }))]).toEqual([true, true]);
  }
  for (const fault of [new Error("EPIPE"), Object.assign(new Error(), { code: "ENOENT" }), "EPIPE", undefined]) {
    expect(isDisconnect(fault)).toBe(false);
  }
});
