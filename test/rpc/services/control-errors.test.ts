import type { DescMethodUnary } from "@bufbuild/protobuf";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { bearer, configuredKey, mountsOf, STATUS, TestBackend } from "../../support/backends/backend.js";
import { connect } from "../../support/clients/native.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

const { method } = ControlService;

interface Refused {
  readonly called: DescMethodUnary;
  readonly request: object;
  readonly message: string | RegExp;
}

/** Calls on both ports, and expects each call to be refused. */
async function expectRefused(node: TestNode, status: number, calls: readonly Refused[]): Promise<void> {
  for (const caller of mountsOf(node)) {
    for (const { called, message, request } of calls) {
      const answer = await caller.call(called, request, bearer("admin"));
      expect([caller.name, called.name, answer.status]).toEqual([caller.name, called.name, status]);
      expect(answer.message).toMatch(message);
    }
  }
}

function startWith(vhost: object = {}, config: object = {}): Promise<TestNode> {
  const keys = [configuredKey("admin", { actions: ["*"] })];
  return startNode({ ...config, vhosts: { "/": { keys, ...vhost }, "/configured": {} } });
}

test("C2: answers NOT_FOUND for a connection, vhost, channel or key that does not exist", async () => {
  const vhost = /^unknown vhost "\/none"$/;
  await expectRefused(await startWith(), STATUS.notFound, [
    { called: method.getConnection, request: { id: "none" }, message: /"none"/ },
    { called: method.getVhost, request: { path: "/none" }, message: vhost },
    { called: method.updateVhost, request: { path: "/none", settings: {} }, message: vhost },
    { called: method.deleteVhost, request: { path: "/none" }, message: vhost },
    { called: method.closeChannel, request: { channel: "none" }, message: /^channel "none" is not open$/ },
    { called: method.createKey, request: { name: "a", actions: ["*"], vhost: "/none" }, message: vhost },
    { called: method.revokeKey, request: { id: "none" }, message: /^unknown key "none"$/ },
  ]);
});

test("C3: answers ALREADY_EXISTS for the path of a vhost and the name of a key that exist", async () => {
  const node = await startWith();
  const backend = new TestBackend(node, bearer("admin"));
  await backend.call(method.createVhost, { path: "/made", settings: {} });
  await backend.call(method.createKey, { name: "made", actions: ["publish"] });
  await expectRefused(node, STATUS.alreadyExists, [
    { called: method.createVhost, request: { path: "/made", settings: {} }, message: /"\/made"/ },
    { called: method.createVhost, request: { path: "/configured", settings: {} }, message: /"\/configured"/ },
    { called: method.createKey, request: { name: "made", actions: ["publish"] }, message: /"made"/ },
    { called: method.createKey, request: { name: "admin", actions: ["publish"] }, message: /"admin"/ },
  ]);
});

test("C5: answers FAILED_PRECONDITION for changes of a vhost or key of the configuration", async () => {
  const node = await startWith();
  const { keys } = await new TestBackend(node, bearer("admin")).call(method.listKeys, {});
  const inConfiguration = /is defined in the configuration$/;
  await expectRefused(node, STATUS.failedPrecondition, [
    { called: method.updateVhost, request: { path: "/configured", settings: {} }, message: inConfiguration },
    { called: method.deleteVhost, request: { path: "/configured" }, message: inConfiguration },
    { called: method.deleteVhost, request: { path: "/" }, message: inConfiguration },
    { called: method.revokeKey, request: { id: keys[0]?.id ?? "" }, message: inConfiguration },
  ]);
});

test("C6: answers RESOURCE_EXHAUSTED when a join on a client's behalf exceeds a bound, and joins nothing", async () => {
  const topics = [{ match: "duel", max_sessions: 1 }];
  const node = await startWith({ topics }, { limits: { topics_per_connection: 2 } });
  const [first, second] = [await connect(`${node.ws}/ws`), await connect(`${node.ws}/ws`)];
  await first.join("duel");
  const { connections } = await new TestBackend(node, bearer("admin")).call(method.listConnections, {});
  const ids = connections.map(({ id }) => id);
  const behalf = (id: string, ...names: string[]): Refused => ({
    called: method.subscribe,
    request: { target: { target: { case: "connectionId", value: id } }, topics: names },
    message: /./,
  });
  await expectRefused(node, STATUS.resourceExhausted, [
    behalf(ids[1] ?? "", "duel"),
    behalf(ids[0] ?? "", "a", "b"),
    behalf(ids[1] ?? "", "a", "b", "c"),
  ]);
  await second.join("a", "b");
  expect([first.unread, second.unread]).toEqual([[], []]);
});

test("C6: answers RESOURCE_EXHAUSTED for the 1,001st key of a vhost", async () => {
  const others = Array.from({ length: 999 }, (_, number) => configuredKey(`k${number}`, { actions: ["publish"] }));
  const node = await startWith({ keys: [configuredKey("admin", { actions: ["*"] }), ...others] });
  await expectRefused(node, STATUS.resourceExhausted, [
    { called: method.createKey, request: { name: "more", actions: ["publish"] }, message: /1000 keys/ },
  ]);
});
