import { say } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { startNatsNode } from "../../support/nats/node.js";
import { startNats } from "../../support/nats/server.js";

const DENIED =
  'authorization { users: [{ user: a, password: b, permissions: { subscribe: { deny: "carillon._.secret" } } }] }';

test("N6: refuses a join with permission_denied when NATS does not permit the subject, and keeps the other topics", async () => {
  const server = await startNats(DENIED);
  const node = await startNatsNode(server.url, { user: "a", password: "b" });
  const client = await connect(`${node.ws}/ws`);
  await client.join("open");
  expect(await client.ask({ command: "join", topics: ["other", "secret"], id: 1 })).toEqual({
    topic: "#join",
    payload: ["other", "secret"],
    id: 1,
    error: { code: "permission_denied", message: expect.stringContaining('"secret"') },
  });
  await say(node, "other", "not joined");
  await say(node, "open", "still here");
  expect(await client.next()).toEqual({ topic: "open", payload: "still here" });
});

test("N6: refuses a join with resource_exhausted when NATS accepts no more subscriptions", async () => {
  const server = await startNats("max_subscriptions: 40");
  const node = await startNatsNode(server.url);
  const client = await connect(`${node.ws}/ws`);
  await client.join("first");
  let number = 0;
  let answer = await client.ask({ command: "join", topics: [`t${number}`], id: number });
  while (answer.topic === "@join") {
    number += 1;
    answer = await client.ask({ command: "join", topics: [`t${number}`], id: number });
  }
  expect(answer.error).toEqual({
    code: "resource_exhausted",
    message: expect.stringMatching(/"t\d+": maximum subscriptions exceeded$/),
  });
  expect(number).toBeLessThan(40);
  await say(node, "first", "still here");
  expect(await client.next()).toEqual({ topic: "first", payload: "still here" });
});
