import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { WorkerService } from "../../../gen/carillon/v1/worker_pb.js";
import { bearer, configuredKey, mountsOf, STATUS, TestBackend } from "../../support/backends/backend.js";
import { connect } from "../../support/clients/native.js";
import { startTwoNatsNodes } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";
import type { TestNode } from "../../support/nodes/node.js";
import { WorkStream } from "../support/work-stream.js";

const { explainAccess, getConnection, listConnections, listTopics } = ControlService.method;
const { listWorkers } = WorkerService.method;

const VHOSTS = {
  "/": {
    keys: [
      configuredKey("all", { actions: ["*"] }),
      configuredKey("scoped", { actions: ["connections"], topics: ["orders.*"] }),
    ],
    anonymous: { permissions: { publish: ["orders.1"] } },
    topics: [{ match: "orders.*", access: "private" as const }],
  },
  "/locked": { anonymous: { connect: false }, keys: [configuredKey("locked", { actions: ["*"] })] },
};

async function startTwo(): Promise<readonly [TestNode, TestNode]> {
  const server = await startNats();
  return startTwoNatsNodes(server.url, { vhosts: VHOSTS });
}

test("C10: lists the connections of an address, and of a dialect, on all nodes", async () => {
  const [one, other] = await startTwo();
  const client = await connect(`${one.ws}/ws`);
  await client.join("a");
  await connect(`${other.ws}/ws`);
  for (const caller of mountsOf(other)) {
    const count = async (request: object): Promise<number> => {
      const { answer } = await caller.call(listConnections, request, bearer("all"));
      return answer.connections.length;
    };
    expect(await count({ address: "127.0." })).toBe(2);
    expect(await count({ address: "10." })).toBe(0);
    expect(await count({ dialect: "native", topic: "a" })).toBe(1);
    expect(await count({ dialect: "socketio" })).toBe(0);
    const refused = await caller.call(listConnections, { address: "x".repeat(256) }, bearer("all"));
    expect(refused).toMatchObject({ status: STATUS.invalidArgument, message: "address is longer than 255 bytes" });
  }
});

test("C12: counts the messages of a topic once, however many nodes receive them", async () => {
  const nodes = await startTwo();
  const clients = await Promise.all(nodes.map(({ ws }) => connect(`${ws}/ws`)));
  const [first, second] = clients;
  await first?.join("news");
  const backend = new TestBackend(nodes[0], bearer("all"));
  await backend.say("news", "one");
  await first?.next();
  await second?.join("news");
  for (const text of ["two", "three"]) await backend.say("news", text);
  for (const client of clients)
    for (const text of ["two", "three"]) expect(await client.next()).toMatchObject({ payload: text });
  for (const caller of nodes.flatMap(mountsOf)) {
    const { answer } = await caller.call(listTopics, {}, bearer("all"));
    expect(answer.topics).toMatchObject([{ name: "news", sessions: 2, messages: 3n }]);
  }
});

test("C10: describes what a connection may do, and how much it has published, whichever node is asked", async () => {
  const [one, other] = await startTwo();
  const client = await connect(`${one.ws}/ws`);
  await client.ask({ command: "publish", topics: ["orders.1"], payload: "hello", id: 1 });
  for (const caller of mountsOf(other)) {
    const { answer } = await caller.call(listConnections, {}, bearer("all"));
    const id = answer.connections[0]?.id ?? "";
    const { answer: found } = await caller.call(getConnection, { id }, bearer("all"));
    expect(found).toMatchObject({ connection: { published: 1n }, permissions: { publish: ["orders.1"], join: [] } });
  }
});

test("C9: explains a decision for a connection of any node, for permissions, and for a client without a token", async () => {
  const [one, other] = await startTwo();
  await connect(`${one.ws}/ws`);
  for (const caller of mountsOf(other)) {
    const { answer } = await caller.call(listConnections, {}, bearer("all"));
    const connectionId = answer.connections[0]?.id ?? "";
    const explain = async (action: string, topic: string, client: object) => {
      const { answer: explained } = await caller.call(explainAccess, { action, topic, client }, bearer("all"));
      return [explained.allowed, explained.reason];
    };
    const connected = { case: "connectionId", value: connectionId };
    expect(await explain("join", "news", connected)).toEqual([true, expect.stringContaining("open")]);
    expect(await explain("join", "orders.1", connected)).toEqual([
      false,
      expect.stringMatching(/"orders\.\*" makes it private, and no permission to join matches "orders\.1"/),
    ]);
    expect((await explain("publish", "orders.1", { case: "anonymous", value: {} }))[0]).toBe(true);
    expect((await explain("publish", "orders.2", { case: "anonymous", value: {} }))[0]).toBe(false);
    const permissions = { case: "permissions", value: { join: ["orders.2"] } };
    expect((await explain("join", "orders.2", permissions))[0]).toBe(true);
    expect((await explain("publish", "orders.1", permissions))[0]).toBe(true);
    expect((await explain("call", "resize", permissions))[0]).toBe(false);
    const locked = await caller.call(
      explainAccess,
      { action: "join", topic: "a", client: { case: "anonymous", value: {} } },
      bearer("locked"),
    );
    expect(locked.answer).toMatchObject({ allowed: false, reason: "the vhost requires a token" });
  }
});

test("C9: refuses unknown actions, topics of other keys, and unknown clients", async () => {
  const [node] = await startTwo();
  const anonymous = { case: "anonymous", value: {} };
  const cases = [
    [{ action: "fly", topic: "a", client: anonymous }, STATUS.invalidArgument, /^action: expected one of join, /],
    [{ action: "join", topic: "", client: anonymous }, STATUS.invalidArgument, /^topic is empty/],
    [{ action: "call", topic: "", client: anonymous }, STATUS.invalidArgument, /^topic /],
    [
      { action: "join", topic: "a" },
      STATUS.invalidArgument,
      /^client: expected connection_id, permissions or anonymous$/,
    ],
    [
      { action: "join", topic: "a", client: { case: "permissions", value: { join: ["re:("] } } },
      STATUS.invalidArgument,
      /^permission join: pattern "re:\("/,
    ],
    [
      { action: "join", topic: "a", client: { case: "connectionId", value: "none" } },
      STATUS.notFound,
      /^unknown connection "none"$/,
    ],
  ] as const;
  for (const caller of mountsOf(node)) {
    for (const [request, status, message] of cases) {
      const refused = await caller.call(explainAccess, request, bearer("all"));
      expect([refused.status, refused.message]).toEqual([status, expect.stringMatching(message)]);
    }
    const foreign = await caller.call(
      explainAccess,
      { action: "join", topic: "a", client: anonymous },
      bearer("scoped"),
    );
    expect(foreign.status).toBe(STATUS.permissionDenied);
  }
});

test("K8: lists the workers of a vhost on all nodes, whichever is asked", async () => {
  const [one, other] = await startTwo();
  const worker = new WorkStream(one.grpc, bearer("all"));
  const id = await worker.hello({ events: ["resize", "image.*"], capacity: 3, name: "images" });
  for (const caller of mountsOf(other)) {
    const { answer } = await caller.call(listWorkers, {}, bearer("all"));
    expect(answer).toMatchObject({
      workers: [{ id, name: "images", events: ["resize", "image.*"], capacity: 3, tasks: 0, triggersOnly: false }],
      more: false,
      missingNodes: [],
    });
    expect((await caller.call(listWorkers, {}, bearer("locked"))).answer.workers).toEqual([]);
    expect((await caller.call(listWorkers, {}, bearer("scoped"))).status).toBe(STATUS.permissionDenied);
  }
});
