import { publish } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { startNats } from "../../support/nats/server.js";
import { metric } from "../../support/nodes/metrics.js";
import { startNode } from "../../support/nodes/node.js";

test("O4: leaves no subscription behind when NATS does not confirm a join", async () => {
  const nats = await startNats();
  const node = await startNode({
    brokers: { nats: { driver: "nats", servers: [nats.url], confirm_timeout: "1s" } },
    interest_linger: "0",
  });
  const client = await connect(`${node.ws}/ws`);
  nats.signal("SIGSTOP");
  const refusal = await client.ask({ command: "join", topics: ["a", "b"], id: 1 });
  expect(refusal).toMatchObject({ topic: "#join", error: { code: "unavailable" } });
  nats.signal("SIGCONT");
  let answer = await client.ask({ command: "join", topics: ["c"] });
  // The reconnect to NATS may take a moment.
  while (answer.topic !== "@join") answer = await client.ask({ command: "join", topics: ["c"] });
  await client.ask({ command: "leave", topics: ["c"] });
  while ((await metric(node, "carillon_topics")) > 0);
  expect(await metric(node, "carillon_topics")).toBe(0);
});

test("E10: refuses JSON with too many objects and lists before parsing it, and ignores brackets in strings", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  const post = async (body: string) => {
    const headers = { "content-type": "application/json" };
    const url = `${node.http}/websockets.v1.BroadcastService/Publish`;
    const response = await fetch(url, { method: "POST", headers, body });
    return (await response.json()) as { readonly code?: string; readonly message?: string };
  };
  for (const body of [`{"messages":${"[".repeat(140_000)}`, `{"messages":[${"{},".repeat(140_000)}{}]}`]) {
    expect(await post(body)).toEqual({
      code: "invalid_argument",
      message: "the request cannot be decoded: more than 131072 objects and lists",
    });
  }
  const json = Array.from({ length: 30_000 }, (_, number) => [number]);
  expect(await post(JSON.stringify({ messages: [{ topics: ["foo"], json }] }))).toMatchObject({ ok: true });
  expect(await client.next()).toEqual({ topic: "foo", payload: JSON.stringify(json) });
  const text = `${"[{".repeat(70_000)}\\"`;
  expect(await post(JSON.stringify({ messages: [{ topics: ["foo"], text }] }))).toMatchObject({ ok: true });
  expect(await client.next()).toEqual({ topic: "foo", payload: text });
});

test("E7: refuses more than 1,000 messages in a request, and publishes nothing", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  const messages = Array.from({ length: 1_001 }, () => ({ topics: ["foo"] }));
  expect(await publish(node, messages)).toMatchObject({
    code: "invalid_argument",
    message: "messages: got 1001, the limit is 1000",
  });
  expect(await client.ask({ command: "leave", topics: ["foo"] })).toMatchObject({ topic: "@leave" });
});

test("E9: refuses many empty messages for many topics", async () => {
  const node = await startNode();
  const topics = Array.from({ length: 1_000 }, (_, position) => `t${position}`);
  const client = await connect(`${node.ws}/ws`);
  await client.join("t0");
  const messages = Array.from({ length: 66 }, () => ({ topics }));
  expect(await publish(node, messages)).toMatchObject({
    code: "resource_exhausted",
    message: "request too large: expands to 67584000 bytes (payload + 1024 for each topic), the limit is 67108864",
  });
  expect(await publish(node, messages.slice(1))).toMatchObject({ ok: true });
  for (let count = 0; count < 65; count += 1) expect(await client.next()).toMatchObject({ topic: "t0" });
  expect(await client.ask({ command: "leave", topics: ["t0"] })).toMatchObject({ topic: "@leave" });
});
