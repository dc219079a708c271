import { ControlService } from "../../../../gen/carillon/v1/control_pb.js";
import { TestBackend, until } from "../../../support/backends/backend.js";
import { TRANSPORTS } from "../../../support/clients/socket-io.js";
import { startNatsNode } from "../../../support/nats/node.js";
import { startNats } from "../../../support/nats/server.js";
import { startTcpProxy } from "../../../support/net/tcp-proxy.js";
import type { TestNode } from "../../../support/nodes/node.js";
import { CONFIG, ReturningClient, say, VHOST } from "./support.js";

/** Sends a client to another node. */
async function moveTo(client: ReturningClient, node: TestNode): Promise<void> {
  const proxy = await startTcpProxy(Number(new URL(node.http).port));
  const { io } = client.socket;
  Object.assign(io, { uri: `http://127.0.0.1:${proxy.port}` });
  // The library reads the address from its options once the first connection has been made.
  Object.assign(io.opts, { hostname: "127.0.0.1", port: String(proxy.port) });
}

async function connectTo(node: TestNode, transport: string): Promise<ReturningClient> {
  const proxy = await startTcpProxy(Number(new URL(node.http).port));
  return new ReturningClient(proxy, { transports: [transport] }, "/").connected();
}

describe.each(TRANSPORTS)("over %s", (transport) => {
  test("I20: recovers a session on another node, and after each node was restarted", async () => {
    const server = await startNats("jetstream: {}");
    const start = (): Promise<TestNode> => startNatsNode(server.url, {}, CONFIG);
    let [one, two] = [await start(), await start()];
    const client = await connectTo(one, transport);
    await client.ask("join", { topics: ["room.a", "room.b"] });
    const { id } = client;
    await say(two, "room.a", 1);
    expect(await client.messages(1)).toEqual([1]);
    await client.lose();
    await say(one, "room.a", 2);
    await say(two, "room.b", 3);
    await moveTo(client, two);
    await client.comeBack();
    expect([client.recovered, client.id]).toEqual([true, id]);
    expect(((await client.messages(2)) as number[]).toSorted((a, b) => a - b)).toEqual([2, 3]);
    // One node after the other is restarted.
    await one.carillon.stop();
    one = await start();
    await say(one, "room.a", 4);
    expect(await client.messages(1)).toEqual([4]);
    await two.carillon.stop();
    await client.ended.next();
    await say(one, "room.b", 5);
    two = await start();
    await moveTo(client, two);
    await client.comeBack();
    expect([client.recovered, client.id]).toEqual([true, id]);
    expect(await client.messages(1)).toEqual([5]);
    await say(one, "room.a", 6);
    expect(await client.messages(1)).toEqual([6]);
  });
});

test("I23: ends the earlier connection on another node, which has not noticed that it is lost", async () => {
  const server = await startNats("jetstream: {}");
  const [one, two] = [await startNatsNode(server.url, {}, CONFIG), await startNatsNode(server.url, {}, CONFIG)];
  const client = await connectTo(one, "websocket");
  await client.ask("join", { topics: ["present.a"] });
  const { id } = client;
  client.proxy.mute();
  client.socket.io.engine.close();
  await client.ended.next();
  await moveTo(client, two);
  await client.comeBack();
  expect([client.recovered, client.id]).toEqual([true, id]);
  const backend = new TestBackend(one);
  await until(
    () => backend.call(ControlService.method.listConnections, {}),
    ({ connections }) => connections.length === 1,
  );
  await say(one, "present.a", 1);
  expect(await client.messages(1)).toEqual([1]);
});

test("I21: begins a new session on a node that does not share the secret of the vhost's tokens", async () => {
  const server = await startNats("jetstream: {}");
  const config = { vhosts: { "/": { ...VHOST, tokens: {} } } };
  const [one, two] = [await startNatsNode(server.url, {}, config), await startNatsNode(server.url, {}, config)];
  const client = await connectTo(one, "websocket");
  await client.ask("join", { topics: ["room.a"] });
  await client.lose();
  await say(two, "room.a", 1);
  await moveTo(client, two);
  await client.comeBack();
  expect(client.recovered).toBe(false);
  await client.ask("join", { topics: ["room.a"] });
  await say(two, "room.a", 2);
  expect(await client.messages(1)).toEqual([2]);
});
