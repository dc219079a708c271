import { setImmediate } from "node:timers/promises";
import { say } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { startNats } from "../../support/nats/server.js";
import { metric } from "../../support/nodes/metrics.js";
import { startNode } from "../../support/nodes/node.js";
import { command, connectRaw, frame, OPCODE, openRaw } from "../../support/raw/client.js";

const ping = { interval: "100ms", timeout: "40ms" } as const;

test("L5: closes a client that answers no ping with 1011", async () => {
  const node = await startNode({ ping });
  const client = await openRaw(node.http);
  expect((await client.next()).opcode).toBe(OPCODE.ping);
  expect(await client.nextClose()).toBe("1011 ping timeout");
});

test("L5: keeps a client that answers pings", async () => {
  const node = await startNode({ ping });
  const [client, silent] = [await connect(`${node.ws}/ws`), await openRaw(node.http)];
  let pings = 0;
  const enough = new Promise<void>((resolve) => {
    client.webSocket.on("ping", () => {
      pings += 1;
      if (pings === 3) resolve();
    });
  });
  await client.join("foo");
  await enough;
  await say(node, "foo", "hi");
  expect(await client.nextText()).toBe('{"topic":"foo","payload":"hi"}');
  expect((await silent.next()).opcode).toBe(OPCODE.ping);
  expect(await silent.nextClose()).toBe("1011 ping timeout");
});

test.each([
  ["a command", command({ command: "leave", topics: ["foo"] })],
  ["a ping of its own", frame(OPCODE.ping, "hello")],
  ["an unsolicited pong", frame(OPCODE.pong, "hello")],
  ["a malformed frame", frame(OPCODE.text, "nonsense")],
])("L5: accepts %s after a ping as a sign of life", async (_, sign) => {
  const node = await startNode({ ping });
  const client = await openRaw(node.http);
  let pings = 0;
  while (pings < 2) {
    const received = await client.next();
    expect(received.opcode).not.toBe(OPCODE.close);
    if (received.opcode !== OPCODE.ping) continue;
    pings += 1;
    client.send(sign);
  }
});

test("L5: removes an expired session from its topics at once, before its connection has closed", async () => {
  const node = await startNode({ ping, interest_linger: "0" });
  const client = await openRaw(node.http);
  await client.join("foo");
  expect((await client.next()).opcode).toBe(OPCODE.ping);
  expect(await client.nextClose()).toBe("1011 ping timeout");
  while ((await metric(node, "carillon_topics")) > 0) await setImmediate();
  expect(await metric(node, "carillon_connections")).toBe(1);
  client.socket.destroy();
});

test("L5: does not expire a connection that is not read because its command waits for the broker", async () => {
  const nats = await startNats();
  const node = await startNode({
    ping,
    brokers: { nats: { driver: "nats", servers: [nats.url], confirm_timeout: "3s" } },
  });
  const client = await openRaw(node.http);
  await client.join("foo");
  nats.signal("SIGSTOP");
  client.send(command({ command: "join", topics: ["bar"] }), command({ command: "leave", topics: ["bar"] }));
  // The client answers no ping for thirty intervals; a loaded machine may skip most of them.
  const opcodes: number[] = [];
  let received = await client.next();
  while (received.opcode === OPCODE.ping) {
    opcodes.push(received.opcode);
    received = await client.next();
  }
  nats.signal("SIGCONT");
  expect(opcodes.length).toBeGreaterThanOrEqual(3);
  expect(received.payload.toString()).toBe('{"topic":"#join","payload":["bar"]}');
  expect(await client.nextText()).toBe('{"topic":"@leave","payload":["bar"]}');
  // The rule applies again once the connection is read.
  do received = await client.next();
  while (received.opcode === OPCODE.ping);
  expect(received.payload.toString()).toContain("ping timeout");
});

test("L5: does not ping a connection that never becomes a WebSocket", async () => {
  const node = await startNode({ ping });
  const [silent, witness] = [await connectRaw(node.http), await connect(`${node.ws}/ws`)];
  await new Promise<void>((resolve) => {
    witness.webSocket.once("ping", () => resolve());
  });
  silent.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
  expect((await silent.response()).body).toBe("ok\n");
});
