import { ControlService } from "../../../../gen/carillon/v1/control_pb.js";
import type { OnConnectRequest, OnJoinRequest } from "../../../../gen/carillon/v1/hook_pb.js";
import { allowAtEnd, type Backend, jsonBackend, nextHookCall } from "../../../outbound/hooks/backend.js";
import { TestBackend } from "../../../support/backends/backend.js";
import { startNode, type TestNode } from "../../../support/nodes/node.js";
import { tokenFor } from "../support.js";
import { connectReturning, type ReturningClient, say, VHOST } from "./support.js";

const OPTIONS = { transports: ["websocket"] };

async function start(...events: ("connect" | "join")[]): Promise<{ node: TestNode; backend: Backend }> {
  const backend = await jsonBackend();
  const node = await startNode({ vhosts: { "/": { ...VHOST, hooks: { url: backend.url, events, timeout: "8s" } } } });
  allowAtEnd(backend);
  return { node, backend };
}

async function nextConnect(backend: Backend, answer: object): Promise<string | undefined> {
  const call = await nextHookCall(backend, "OnConnect");
  call.answer(answer as never);
  return (call.request as OnConnectRequest).client?.connectionId;
}

/** Connects a client for which the backend chooses a topic that it may not join by itself. */
async function connectedBy(backend: Backend, node: TestNode): Promise<ReturningClient> {
  const connecting = connectReturning(node, OPTIONS);
  await nextConnect(backend, { allow: { topics: ["staff.all"] } });
  const client = await connecting;
  while ((await client.heard.next()).event !== "join");
  return client;
}

test("I20: calls the connect hook with the recovered id, and needs no permission for the topics that it chooses", async () => {
  const { backend, node } = await start("connect");
  const client = await connectedBy(backend, node);
  const { id } = client;
  await client.lose();
  await say(node, "staff.all", 1);
  const coming = client.comeBack();
  expect(await nextConnect(backend, { allow: { topics: ["staff.all", "room.b"] } })).toBe(id);
  await coming;
  expect([client.recovered, client.id]).toEqual([true, id]);
  expect(await client.messages(1)).toEqual([1]);
  expect((await client.heard.next()).event).toBe("carillon.offset");
  expect(await client.heard.next()).toEqual({ event: "join", value: { topics: ["staff.all", "room.b"] } });
  await say(node, "room.b", 2);
  expect(await client.messages(1)).toEqual([2]);
});

test("I21: calls the connect hook again with the new id when the session cannot be recovered", async () => {
  const { backend, node } = await start("connect");
  const client = await connectedBy(backend, node);
  const { id } = client;
  await client.lose();
  const coming = client.comeBack();
  // The backend no longer chooses the topic, which the client may not join by itself.
  expect(await nextConnect(backend, { allow: { topics: [] } })).toBe(id);
  const second = await nextConnect(backend, { allow: { topics: ["room.b"] } });
  await coming;
  expect([client.recovered, client.id]).toEqual([false, second]);
  expect(second).not.toBe(id);
  while ((await client.heard.next()).event !== "join");
  await say(node, "room.b", 2);
  expect(await client.messages(1)).toEqual([2]);
});

test("I21: refuses the connection when the connect hook refuses the new session", async () => {
  const { backend, node } = await start("connect");
  const client = await connectedBy(backend, node);
  await client.lose();
  const coming = client.comeBack();
  await nextConnect(backend, {});
  await nextConnect(backend, { refuse: { status: 403 } });
  await expect(coming).rejects.toMatchObject({ data: { status: 403 } });
  const { connections } = await new TestBackend(node).call(ControlService.method.listConnections, {});
  expect(connections).toEqual([]);
});

async function joined(backend: Backend, node: TestNode): Promise<ReturningClient> {
  const client = await connectReturning(node, OPTIONS);
  const answer = client.ask("join", { topics: ["room.a", "room.b"] });
  (await nextHookCall(backend, "OnJoin")).answer({});
  expect(await answer).toEqual({ ok: true });
  return client;
}

test("I20: calls the join hook for the recovered topics", async () => {
  const { backend, node } = await start("join");
  const client = await joined(backend, node);
  const { id } = client;
  await client.lose();
  await say(node, "room.a", 1);
  const coming = client.comeBack();
  const call = await nextHookCall(backend, "OnJoin");
  const { client: who, topics } = call.request as OnJoinRequest;
  expect([who?.connectionId, topics]).toEqual([id, ["room.a", "room.b"]]);
  call.answer({});
  await coming;
  expect(client.recovered).toBe(true);
  expect(await client.messages(1)).toEqual([1]);
});

test("I21: begins a new session when the join hook refuses", async () => {
  const { backend, node } = await start("join");
  const client = await joined(backend, node);
  const { id } = client;
  await client.lose();
  await say(node, "room.a", 1);
  const coming = client.comeBack();
  (await nextHookCall(backend, "OnJoin")).answer({ refuse: {} });
  await coming;
  expect([client.recovered, client.id === id]).toEqual([false, false]);
  expect(await client.ask("leave", { topics: ["room.a"] })).toEqual({ ok: true });
  expect(client.heard.unread.filter(({ event }) => event === "message")).toEqual([]);
});

test("I20: joins nothing when the connection is lost again during the join hook", async () => {
  const { backend, node } = await start("join");
  const client = await joined(backend, node);
  const { id } = client;
  await client.lose();
  client.proxy.open();
  client.socket.connect();
  const call = await nextHookCall(backend, "OnJoin");
  const closed = new Promise<unknown>((resolve) => client.socket.io.engine.once("close", resolve));
  client.proxy.shut();
  await closed;
  const backendOf = new TestBackend(node);
  call.answer({});
  const coming = client.comeBack();
  (await nextHookCall(backend, "OnJoin")).answer({});
  await coming;
  expect([client.recovered, client.id]).toEqual([true, id]);
  const { connections } = await backendOf.call(ControlService.method.listConnections, {});
  expect(connections.map((connection) => connection.id)).toEqual([id]);
});

test("A6: disconnects a recovered session when its token expires", async () => {
  const node = await startNode({ vhosts: { "/": { ...VHOST, jwt: { ...VHOST.jwt, leeway: "0s" } } } });
  const client = await connectReturning(node, { ...OPTIONS, auth: { token: await tokenFor("eve") } });
  await client.ask("join", { topics: ["room.a"] });
  await client.lose();
  client.socket.auth = { token: await tokenFor("eve", { exp: Math.ceil(Date.now() / 1_000) + 5 }) };
  await client.comeBack();
  expect(client.recovered).toBe(true);
  expect(await client.ended.next()).toBe("io server disconnect");
});
