import { once } from "node:events";
import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { RequestSchema } from "../../../gen/websockets/v1/websockets_pb.js";
import { frameOf, rpcClient } from "../../dialects/roadrunner/support.js";
import { bearer, configuredKey } from "../../support/backends/backend.js";
import { publish } from "../../support/backends/publish.js";
import { cleanUp } from "../../support/clean-up.js";
import { metric, untilNone } from "../../support/nodes/metrics.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";
import { closeText, frame, OPCODE, RawClient } from "../../support/raw/client.js";
import { connectGrpc, framed, rawCall } from "../../support/raw/grpc.js";

const MIB = 1_024 * 1_024;
const KEY = "secret-of-the-backend";
const HELD = "carillon_receiving_bytes";
const CLIENTS = 40;
/** The largest frame without its last byte. */
const UNFINISHED = frame(OPCODE.text, Buffer.alloc(MIB - 1, "x"), { claims: BigInt(MIB) });

function startGuarded(): Promise<TestNode> {
  return startNode({
    // Smallest value for the default request limit, 4 MiB.
    limits: { receiving: "24MiB" },
    vhosts: { "/": { keys: [configuredKey(KEY, { actions: ["*"] })] } },
    roadrunner: [{ listen: "tcp://127.0.0.1:0", vhost: "/" }],
  });
}

/** Opens a client without credentials from an address. */
async function openFrom(node: TestNode, localAddress: string): Promise<RawClient> {
  const { hostname, port } = new URL(node.http);
  const socket = connect({ host: hostname, port: Number(port), localAddress });
  cleanUp(() => {
    socket.destroy();
  });
  await once(socket, "connect");
  const client = new RawClient(socket);
  await client.upgrade("/ws");
  return client;
}

/** Starts messages on connections from several addresses, as many as the node accepts. */
async function fill(node: TestNode): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  let refused = 0;
  for (let count = 0; count < CLIENTS; count += 1) {
    const client = await openFrom(node, `127.0.1.${count + 1}`);
    clients.push(client);
    client
      .next()
      .then(({ payload }) => {
        if (closeText(payload).startsWith("1013")) refused += 1;
      })
      .catch(() => {
        // The test has closed the connection.
      });
    client.send(UNFINISHED);
    // Each connection is closed or held before the next one is opened.
    while (refused + Math.ceil((await metric(node, HELD)) / MIB) < clients.length);
  }
  return clients;
}

test("L15: publishes megabytes for backends with a key while clients without one hold their whole share", async () => {
  const node = await startGuarded();
  const clients = await fill(node);
  expect(await metric(node, HELD)).toBeGreaterThan(10 * MIB);
  const payload = Buffer.alloc(MIB, "y");
  const messages = [
    { topics: ["a"], payload },
    { topics: ["a"], payload },
  ];

  expect(await publish(node, messages, "Publish", bearer(KEY))).toMatchObject({ status: 200 });
  const session = await connectGrpc(node.grpc);
  const request = toBinary(RequestSchema, create(RequestSchema, { messages: [...messages, ...messages.slice(1)] }));
  const path = "/websockets.v1.BroadcastService/Publish";
  expect(await rawCall(session, path, framed(request), bearer(KEY))).toMatchObject({ status: 0 });
  const broadcast = await fetch(`${node.http}/broadcaster/publish`, {
    method: "POST",
    headers: { "content-type": "application/json", ...bearer(KEY) },
    body: JSON.stringify({ channel: "a", event: "e", payload: "z".repeat(MIB - 2) }).padEnd(4 * MIB),
  });
  expect(await broadcast.json()).toMatchObject({ event: "e" });
  const php = await rpcClient(node);
  php.send(frameOf("broadcast.Publish", request));
  expect((await php.next()).body.toString("hex")).toBe("0801");

  for (const { socket } of clients) socket.destroy();
  await untilNone(node, HELD);
});
