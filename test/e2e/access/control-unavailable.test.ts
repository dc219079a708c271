import { readFileSync } from "node:fs";
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { bearer, configuredKey, mountsOf, STATUS, TestBackend, until } from "../../support/backends/backend.js";
import { connect } from "../../support/clients/native.js";
import { startJetStream } from "../../support/nats/store.js";
import { AccessCluster } from "../../support/nodes/access-cluster.js";

const { method } = ControlService;

/** Status of gRPC and of Connect. */
const UNAVAILABLE = 14;

const CONFIG = { vhosts: { "/": { keys: [configuredKey("admin", { actions: ["*"] })] } } };

test("A10, C7: names a node that does not answer in missing_nodes, and answers UNAVAILABLE for a connection that may exist", async () => {
  const server = await startJetStream();
  const cluster = new AccessCluster(server.url, CONFIG);
  const [node, frozen] = [await cluster.startNode(), await cluster.startProcess()];
  const client = await connect(`${frozen.ws}/ws`);
  const backend = new TestBackend(node, bearer("admin"));
  const { connections } = await until(
    () => backend.call(method.listConnections, {}),
    (listed) => listed.connections.length === 1,
  );
  const id = connections[0]?.id ?? "";
  expect((await backend.call(method.getConnection, { id })).connection?.id).toBe(id);

  const callers = mountsOf(node);
  const asking = { id };
  // Their connections are open before the node freezes, which soon counts as gone.
  for (const caller of callers) await caller.call(method.getConnection, asking, bearer("admin"));

  frozen.child.kill("SIGSTOP");
  while (!/\) T /.test(readFileSync(`/proc/${frozen.child.pid}/stat`, "utf8")));
  // All at once: a silent node soon counts as gone, and is not missing any more.
  const [listed, ...answers] = await Promise.all([
    backend.call(method.listConnections, {}),
    ...callers.map((caller) => caller.call(method.getConnection, asking, bearer("admin"))),
  ]);
  expect([listed.connections, listed.missingNodes]).toEqual([[], [connections[0]?.node]]);
  for (const { message, status } of answers) {
    expect(status).toBe(UNAVAILABLE);
    expect(message).toContain("on the nodes that answered; missing nodes:");
  }
  client.webSocket.terminate();
});

test("C7: answers UNAVAILABLE when the store cannot be reached, and changes nothing", async () => {
  const server = await startJetStream();
  const node = await new AccessCluster(server.url, CONFIG).startNode();
  await server.kill();
  const changes: readonly (readonly [DescMethodUnary, object])[] = [
    [method.createVhost, { path: "/made", settings: {} }],
    [method.createKey, { name: "made", actions: ["publish"] }],
    [method.openChannel, { channel: "made" }],
  ];
  for (const caller of mountsOf(node)) {
    for (const [called, request] of changes) {
      const { status } = await caller.call(called, request, bearer("admin"));
      expect([caller.name, called.name, status]).toEqual([caller.name, called.name, UNAVAILABLE]);
    }
  }
  const backend = new TestBackend(node, bearer("admin"));
  expect((await backend.call(method.listVhosts, {})).vhosts.map(({ path }) => path)).toEqual(["/"]);
  expect((await backend.call(method.listChannels, {})).channels).toEqual([]);

  await server.start();
  const listed = await until(
    () => backend.ask(method.listKeys),
    ({ status }) => status === STATUS.ok,
  );
  expect(listed.answer.keys.map(({ name }) => name)).toEqual(["admin"]);
});
