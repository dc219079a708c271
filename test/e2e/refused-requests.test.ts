import { connect } from "../support/client.js";
import { metric } from "../support/metrics.js";
import { startNats } from "../support/nats-server.js";
import { startNode } from "../support/node.js";
import { publish } from "../support/publish.js";

test("O4: a join that NATS does not confirm leaves no interest behind", async () => {
  const nats = await startNats();
  const node = await startNode({
    brokers: { nats: { driver: "nats", servers: [nats.url], confirm_timeout: "200ms" } },
    interest_linger: "0",
  });
  const client = await connect(`${node.ws}/ws`);
  nats.signal("SIGSTOP");
  const refusal = await client.ask({ command: "join", topics: ["a", "b"], id: 1 });
  expect(refusal).toMatchObject({ topic: "#join", error: { code: "unavailable" } });
  nats.signal("SIGCONT");
  let answer = await client.ask({ command: "join", topics: ["c"] });
  // NATS may take a moment to say that it is back.
  while (answer.topic !== "@join") answer = await client.ask({ command: "join", topics: ["c"] });
  await client.ask({ command: "leave", topics: ["c"] });
  while ((await metric(node, "carillon_topics")) > 0);
  expect(await metric(node, "carillon_topics")).toBe(0);
});

test("E9: many empty messages for many topics are too much, too", async () => {
  const node = await startNode();
  const topics = Array.from({ length: 1_000 }, (_, position) => `t${position}`);
  const messages = Array.from({ length: 300 }, () => ({ topics }));
  expect(await publish(node, messages)).toMatchObject({
    code: "resource_exhausted",
    message: "the request becomes 76800000 bytes (payloads and 256 each, times topics), the limit is 67108864",
  });
});
