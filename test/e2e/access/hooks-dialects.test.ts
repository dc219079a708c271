import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import type { OnConnectRequest } from "../../../gen/carillon/v1/hook_pb.js";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import type { ConfigInput } from "../../../src/index.js";
import { jwt, token as tokenOf } from "../../commands/support.js";
import { allowAtEnd, type Backend, type HookCall, jsonBackend, nextHookCall } from "../../outbound/hooks/backend.js";
import { TestBackend } from "../../support/backends/backend.js";
import { connect, refusedUpgrade, type TestClient } from "../../support/clients/native.js";
import { broadcasterToken, SPEAKING } from "../../support/clients/speakers.js";
import { startNode, type TestNode } from "../../support/nodes/node.js";

type VhostInput = NonNullable<ConfigInput["vhosts"]>[string];

/** Starts a node whose vhost has these hooks. */
async function start(
  events: readonly ("connect" | "join" | "disconnect")[],
  vhost: VhostInput = {},
): Promise<{ node: TestNode; backend: Backend }> {
  const backend = await jsonBackend();
  const node = await startNode({
    vhosts: { "/": { ...SPEAKING, ...vhost, hooks: { url: backend.url, events: [...events], timeout: "8s" } } },
  });
  allowAtEnd(backend);
  return { node, backend };
}

const userOf = ({ request }: HookCall): string | undefined => (request as OnConnectRequest).client?.user;

/** Connects a RootSocket client whose token requires channel tokens and forbids sending. */
async function confined(node: TestNode): Promise<TestClient> {
  const answer = await fetch(`${node.http}/api/v1/connections/`, { method: "POST" });
  const { token } = (await answer.json()) as { readonly token: string };
  return connect(`${node.ws}/api/v1/ws/${token}/`);
}

const CONFINED = { rootsocket: {}, anonymous: { connect: false } } satisfies VhostInput;

const REFUSED = { event: "error", data: { detail: expect.stringMatching(/^cannot subscribe: /), where: "news" } };

test("A9, D7: keeps a token's terms after a connect hook's answer", async () => {
  const { backend, node } = await start(["connect"], CONFINED);
  const opened = confined(node);
  (await nextHookCall(backend, "OnConnect")).answer({ allow: { info: { vip: true } } });
  const client = await opened;
  client.send({ event: "subscription-add", data: { channel: "news" } });
  expect(await client.next()).toMatchObject(REFUSED);
});

test("A9, D7: keeps a token's terms after a join hook's answer", async () => {
  const { backend, node } = await start(["join"], CONFINED);
  const client = await confined(node);
  const tokens = await fetch(`${node.http}/api/v1/tokens/`, {
    method: "POST",
    body: '{"category":1,"channel":"other"}',
  });
  const { token: auth } = (await tokens.json()) as { readonly token: string };
  client.send({ event: "subscription-add", data: { channel: "other", auth } });
  (await nextHookCall(backend, "OnJoin")).answer({ allow: { info: { vip: true } } });
  client.send({ event: "subscription-add", data: { channel: "news" } });
  expect(await client.next()).toMatchObject(REFUSED);
  client.send({ event: "other", data: { raw: "x" } });
  expect(await client.next()).toMatchObject({
    event: "error",
    data: { detail: expect.stringMatching(/^cannot send: /) },
  });
});

test("A4, A9: calls the connect hook for an unauthenticated client when it authenticates, not before", async () => {
  const { backend, node } = await start(["connect"], { anonymous: { connect: false } });
  const client = await connect(`${node.ws}/broadcaster/websocket?x=1`);
  client.send({ id: 1, method: "auth", params: { token: broadcasterToken() } });
  const asked = await nextHookCall(backend, "OnConnect");
  expect(asked.request).toMatchObject({
    uri: "/broadcaster/websocket?x=1",
    client: { user: "ann", dialect: "broadcaster" },
  });
  asked.answer({ refuse: { status: 403 } });
  expect(await client.next()).toMatchObject({ requestId: 1, error: { code: "PermissionDenied" } });
  client.send({ id: 2, method: "auth", params: { token: broadcasterToken() } });
  (await nextHookCall(backend, "OnConnect")).answer({ allow: { topics: ["news"] } });
  expect(await client.next()).toMatchObject({ requestId: 2, result: { success: true } });
  client.send({ id: 3, method: "heartbeat" });
  expect(await client.next()).toMatchObject({ requestId: 3 });
  await new TestBackend(node).say("news", "hello");
  expect(await client.next()).toMatchObject({ method: "broadcast", params: { payload: "hello" } });
});

test("A9: calls the connect hook for an unauthenticated client with a token without user, and no hook for one that sent no token", async () => {
  const { backend, node } = await start(["connect", "disconnect"], { anonymous: { connect: false } });
  await new TestBackend(node).call(ControlService.method.openChannel, { channel: "news" });
  const silent = await connect(`${node.ws}/webrocket`);
  silent.webSocket.close();
  await silent.closed;
  const { token } = await new TestBackend(node).call(TokenService.method.createAccessToken, {});
  const client = await connect(`${node.ws}/webrocket`);
  await client.nextText();
  client.send({ auth: { token } });
  const asked = await nextHookCall(backend, "OnConnect");
  expect(userOf(asked)).toBe("");
  asked.answer({});
  expect(await client.next()).toEqual({ ":authenticated": {} });
  client.webSocket.close();
  (await nextHookCall(backend, "OnDisconnect")).answer({});
  expect(backend.calls.unread).toEqual([]);
});

test("A9: calls the connect hook again when an anonymous client authenticates", async () => {
  const { backend, node } = await start(["connect"], { jwt });
  const opened = connect(`${node.ws}/ws`);
  const nobody = await nextHookCall(backend, "OnConnect");
  expect(userOf(nobody)).toBe("");
  nobody.answer({});
  const client = await opened;
  client.send({ command: "authenticate", payload: await tokenOf({ sub: "banned" }), id: 1 });
  const banned = await nextHookCall(backend, "OnConnect");
  expect(userOf(banned)).toBe("banned");
  banned.answer({ refuse: { status: 403 } });
  expect(await client.next()).toMatchObject({ topic: "#authenticate", error: { code: "permission_denied" } });
  const { connections } = await new TestBackend(node).call(ControlService.method.listConnections, {});
  expect(connections.map(({ user }) => user)).toEqual([""]);
});

test.each([
  ["broadcaster", "/broadcaster/websocket", { id: 1, method: "subscribe", params: { channel: "news" } }],
  ["webrocket", "/webrocket", { subscribe: { channel: "news" } }],
])("A4: lets an unauthenticated client that speaks %s do nothing", async (_name, path, frame) => {
  const node = await startNode({ vhosts: { "/": { ...SPEAKING, anonymous: { connect: false } } } });
  await new TestBackend(node).call(ControlService.method.openChannel, { channel: "news" });
  const client = await connect(node.ws + path);
  if (path === "/webrocket") await client.nextText();
  client.send(frame);
  expect(JSON.stringify(await client.next())).toMatch(/authentication required|"code":403/);
});

test("S3, D7: accepts RootSocket's own tokens in RootSocket only", async () => {
  const node = await startNode({ vhosts: { "/": { ...SPEAKING, anonymous: { connect: false } } } });
  const answer = await fetch(`${node.http}/api/v1/connections/`, { method: "POST" });
  const { token } = (await answer.json()) as { readonly token: string };
  const headers = { authorization: `Bearer ${token}` };
  expect(await refusedUpgrade(`${node.ws}/ws`, { headers })).toMatchObject({ status: 401 });
  await connect(`${node.ws}/api/v1/ws/${token}/`);
});

test("A13: applies changes of dialects' secrets and settings at once", async () => {
  const node = await startNode();
  const operator = new TestBackend(node);
  const backend = new TestBackend(node, { "carillon-vhost": "/made" });
  const { createVhost, openChannel, updateVhost } = ControlService.method;
  await operator.call(createVhost, { path: "/made", settings: { broadcaster: { secret: "another secret" } } });
  await backend.call(openChannel, { channel: "news" });
  const auth = async (): Promise<unknown> => {
    const client = await connect(`${node.ws}/broadcaster/websocket/made`);
    client.send({ id: 1, method: "auth", params: { token: broadcasterToken() } });
    return client.next();
  };
  const broadcast = async (): Promise<unknown> => {
    const client = await connect(`${node.ws}/webrocket/made`);
    await client.nextText();
    client.send({ subscribe: { channel: "news" } });
    await client.nextText();
    client.send({ broadcast: { channel: "news", event: "e", data: {} } });
    return client.next();
  };
  const sends = async (): Promise<unknown> => {
    const headers = { "carillon-vhost": "/made" };
    const answer = await fetch(`${node.http}/api/v1/connections/`, { method: "POST", headers });
    const { token } = (await answer.json()) as { readonly token: string };
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as object;
    return (claims as { allowClientSend?: unknown }).allowClientSend;
  };
  expect(await auth()).toMatchObject({ error: { code: "Unauthenticated" } });
  expect(await broadcast()).toMatchObject({ ":error": { code: 403 } });
  expect(await sends()).toBe(false);
  const { broadcaster, rootsocket, webrocket } = SPEAKING;
  await operator.call(updateVhost, { path: "/made", settings: { broadcaster, rootsocket, webrocket } });
  expect(await auth()).toMatchObject({ result: { success: true } });
  expect(await broadcast()).toMatchObject({ e: { channel: "news" } });
  expect(await sends()).toBe(true);
});
