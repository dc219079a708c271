import { connect } from "../support/client.js";
import { startNats } from "../support/nats-server.js";
import { startNode } from "../support/node.js";
import { say } from "../support/publish.js";

test("memory", async () => {
  const node = await startNode();
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  await say(node, "foo", "hi");
  expect(await client.nextText()).toBe('{"topic":"foo","payload":"hi"}');
});
test("nats", async () => {
  const nats = await startNats();
  const brokers = { nats: { driver: "nats" as const, servers: [nats.url] } };
  const node = await startNode({ brokers });
  const other = await startNode({ brokers });
  const client = await connect(`${node.ws}/ws`);
  await client.join("foo");
  await say(other, "foo", "hi");
  expect(await client.nextText()).toBe('{"topic":"foo","payload":"hi"}');
});
