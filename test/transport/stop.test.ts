import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { publish, say } from "../support/backends/publish.js";
import { cleanUp } from "../support/clean-up.js";
import { connect } from "../support/clients/native.js";
import { LOAD } from "../support/load.js";
import { startNats } from "../support/nats/server.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { closeFrame, command, connectRaw, openRaw, upgradeRequest } from "../support/raw/client.js";

/** Long enough that a test times out if a stop waits for it. */
const AGES = "10m";

/** Text of the close frame with default settings. */
const REASON = "service restart, retry after 1-10 s";
const RESTART = `1012 ${REASON}`;

const BODY = '{"messages":[]}';
const PUBLISH = [
  "POST /websockets.v1.BroadcastService/Publish HTTP/1.1",
  "Host: test",
  "Content-Type: application/json",
  `Content-Length: ${BODY.length}`,
  "",
  "",
].join("\r\n");

async function errorOfConnecting(address: string): Promise<string | undefined> {
  const [host = "", port] = address.replace("http://", "").split(":");
  const socket = connectTcp({ host, port: Number(port) });
  try {
    await once(socket, "connect");
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    socket.destroy();
  }
}

/** Makes a round trip, so that the server has read earlier bytes of other connections. */
async function roundTrip(node: TestNode): Promise<number> {
  return (await fetch(`${node.http}/healthz`)).status;
}

/**
 * Resolves after a time, and then a round trip to a node: all that was due before has happened, also on a loaded machine.
 */
function lateAt(milliseconds: number, node: TestNode): Promise<"late"> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => void roundTrip(node).then(() => resolve("late"), reject), milliseconds);
    cleanUp(() => clearTimeout(timer));
  });
}

test("L7: delivers earlier messages, then closes sessions with 1012 and the ports", async () => {
  const node = await startNode({ stop_timeout: AGES });
  const clients = [await connect(`${node.ws}/ws`), await connect(`${node.ws}/ws?meta=1`)];
  for (const client of clients) await client.join("foo");
  const payloads = Array.from({ length: 100 }, (_, number) => String(number));
  await publish(
    node,
    payloads.map((payload) => ({ topics: ["foo"], payload })),
    "PublishAsync",
  );
  await node.carillon.stop();
  for (const client of clients) {
    expect(await client.closed).toEqual({ code: 1012, reason: REASON });
    expect(client.unread.map((text) => (JSON.parse(text) as { payload: string }).payload)).toEqual(payloads);
  }
  expect(await errorOfConnecting(node.http)).toBe("ECONNREFUSED");
  expect(await errorOfConnecting(node.grpc)).toBe("ECONNREFUSED");
});

test("L7, L8: is not ready while it stops, and refuses upgrades and publishes with the reason", async () => {
  const node = await startNode({ stop_timeout: AGES });
  const stuck = await openRaw(node.http);
  // Each client has started a request before the stop and completes it afterwards.
  const [readiness, upgrade, call] = [
    await connectRaw(node.http),
    await connectRaw(node.http),
    await connectRaw(node.http),
  ];
  readiness.send("GET /readyz HTTP/1.1\r\nHost: test\r\n");
  upgrade.send(upgradeRequest().slice(0, -2));
  call.send(PUBLISH, BODY.slice(0, 3));
  await roundTrip(node);

  const stopped = node.carillon.stop();
  expect(await stuck.nextClose()).toBe(RESTART);
  expect(await errorOfConnecting(node.http)).toBe("ECONNREFUSED");

  readiness.send("\r\n");
  const { body, headers, status } = await readiness.response();
  expect([status, body, headers.get("connection")]).toEqual([503, "stopping\n", "close"]);
  upgrade.send("\r\n");
  const refusal = await upgrade.response();
  expect(refusal.status).toBe(503);
  expect(JSON.parse(refusal.body)).toEqual({ code: "unavailable", message: "this node is stopping" });
  call.send(BODY.slice(3));
  const answer = await call.response();
  expect(answer.status).toBe(503);
  expect(JSON.parse(answer.body)).toMatchObject({ code: "unavailable", message: "this node is stopping" });

  stuck.send(closeFrame(1012));
  await stopped;
});

test("L7: cuts a client that never answers the close frame at the deadline", async () => {
  const node = await startNode({ stop_timeout: "300ms" });
  const stuck = await openRaw(node.http);
  await node.carillon.stop();
  expect(await stuck.nextClose()).toBe(RESTART);
  await stuck.gone;
});

test("L7: completes within its time limit in the worst case", async () => {
  const node = await startNode({ stop_timeout: "500ms" });
  const stuck = await openRaw(node.http);
  const deaf = await openRaw(node.http);
  await deaf.join("foo");
  deaf.socket.pause();
  await say(node, "foo", "x".repeat(1_000_000));
  const half = await connectRaw(node.http);
  half.send(PUBLISH, BODY.slice(0, 3));
  const header = await connectRaw(node.http);
  header.send("GET /healthz HTTP/1.1\r\n");
  const grpc = await connectRaw(`http://${node.grpc}`);
  await roundTrip(node);
  const begin = performance.now();
  await node.carillon.stop();
  expect(performance.now() - begin).toBeLessThan(2_500 * LOAD);
  deaf.socket.resume();
  await Promise.all([stuck.gone, deaf.gone, half.gone, header.gone, grpc.gone]);
});

test("L7: does not wait for connections without a request", async () => {
  const node = await startNode({ stop_timeout: AGES });
  const silent = [await connectRaw(node.http), await connectRaw(node.http)];
  expect(await roundTrip(node)).toBe(200);
  await node.carillon.stop();
  await Promise.all(silent.map(({ gone }) => gone));
});

test("L7: answers a pending request and closes its connection", async () => {
  const witness = await startNode();
  const node = await startNode({ stop_timeout: AGES });
  const client = await connectRaw(node.http);
  client.send(PUBLISH, BODY.slice(0, 3));
  await roundTrip(node);
  const stopped = node.carillon.stop();
  client.send(BODY.slice(3));
  expect((await client.response()).status).toBe(503);
  // Node itself would keep it for 5 s.
  expect(await Promise.race([stopped, lateAt(4_500, witness)])).not.toBe("late");
});

test("L7: does not wait for a refused client that does not close its side", async () => {
  const node = await startNode({ stop_timeout: AGES, origins: [] });
  const refused = await connectRaw(node.http, { allowHalfOpen: true });
  refused.send(upgradeRequest("/ws", { Origin: "http://evil.example" }));
  expect((await refused.response()).status).toBe(403);
  await refused.ended();
  await node.carillon.stop();
});

test("L7: does not wait for a client that disconnects while the node stops", async () => {
  const node = await startNode({ stop_timeout: AGES });
  const clients = [await openRaw(node.http), await openRaw(node.http)];
  const stopped = node.carillon.stop();
  for (const client of clients) expect(await client.nextClose()).toBe(RESTART);
  clients[0]?.socket.end();
  clients[1]?.socket.resetAndDestroy();
  await stopped;
});

test("L7: closes a client whose command waits for a silent broker, and reads its close frame", async () => {
  const witness = await startNode();
  const nats = await startNats();
  const brokers = { nats: { driver: "nats" as const, servers: [nats.url], confirm_timeout: "1m" } };
  const node = await startNode({ stop_timeout: AGES, brokers });
  const client = await openRaw(node.http);
  await client.join("foo");
  nats.signal("SIGSTOP");
  // The first command waits for NATS; the second makes the node stop reading.
  client.send(command({ command: "join", topics: ["bar"] }), command({ command: "leave", topics: ["bar"] }));
  expect(await roundTrip(node)).toBe(200);
  const stopped = node.carillon.stop();
  expect(await client.nextClose()).toBe(RESTART);
  client.send(closeFrame(1012));
  // A peer that does not answer is cut after 3 s.
  expect(await Promise.race([client.ended(), lateAt(2_900, witness)])).not.toBe("late");
  nats.signal("SIGCONT");
  await stopped;
});

test("L7: returns the pending stop when stopped again", async () => {
  const node = await startNode();
  const [first, second] = [node.carillon.stop(), node.carillon.stop()];
  expect(second).toBe(first);
  await first;
});
