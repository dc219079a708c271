import { connect } from "../support/clients/native.js";
import { startNats } from "../support/nats/server.js";
import { startNode } from "../support/nodes/node.js";
import { command, OPCODE, openRaw } from "../support/raw/client.js";

test("L7: stops normally when a client answers the close frame with an invalid frame", async () => {
  const node = await startNode();
  const [rude, polite] = [await openRaw(node.http), await connect(`${node.ws}/ws`)];
  const stopped = node.carillon.stop();
  let received = await rude.next();
  while (received.opcode !== OPCODE.close) received = await rude.next();
  // A client's frame must be masked; this one is not.
  rude.socket.write(Buffer.from([0x81, 0x00]));
  expect((await polite.closed).code).toBe(1012);
  await expect(stopped).resolves.toBeUndefined();
});

test("L7: waits for the start when stopped during it, and leaves nothing open", async () => {
  const node = await startNode();
  const started = node.carillon.start();
  await node.carillon.stop();
  await expect(started).resolves.toBeUndefined();
  await expect(fetch(`${node.http}/healthz`)).rejects.toThrow("fetch failed");
});

test("W13: closes the connection when inflated frames exceed the limit while a command waits", async () => {
  const nats = await startNats();
  const node = await startNode({
    brokers: { nats: { driver: "nats", servers: [nats.url], confirm_timeout: "5s" } },
    compression: true,
    limits: { frame: "256KiB" },
  });
  const client = await connect(`${node.ws}/ws`, { perMessageDeflate: { threshold: 0 } });
  nats.signal("SIGSTOP");
  client.send({ command: "join", topics: ["t"] });
  for (let count = 0; count < 20; count += 1) client.send({ command: "leave", topics: ["x".repeat(200_000)] });
  expect(await client.closed).toEqual({ code: 1008, reason: "too many frames at once" });
});

test("L5: does not expire a client that is still reading a burst when it is pinged", async () => {
  const node = await startNode({
    ping: { interval: "2s", timeout: "1s" },
    limits: { outbox: "16MiB", request: "64MiB", receiving: "384MiB" },
  });
  const client = await openRaw(node.http);
  await client.join("t");
  client.socket.pause();
  const payload = Buffer.alloc(1_000_000, "x").toString("base64");
  const messages = Array.from({ length: 12 }, () => ({ topics: ["t"], payload }));
  const response = await fetch(`${node.http}/websockets.v1.BroadcastService/Publish`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages }),
  });
  expect(response.status).toBe(200);
  // A second connection is pinged at the same rate and shows when the time has passed.
  const witness = await connect(`${node.ws}/ws`, { autoPong: false });
  await witness.closed;
  client.socket.resume();
  let texts = 0;
  while (texts < 12) if ((await client.next()).opcode === OPCODE.text) texts += 1;
  client.send(command({ command: "leave", topics: ["t"] }));
  let received = await client.next();
  while (received.opcode !== OPCODE.text) received = await client.next();
  expect(received.payload.toString()).toContain("@leave");
});
