import { publish } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";

const brokers = {
  a: { driver: "memory" },
  b: { driver: "memory" },
  hidden: { driver: "memory" },
} as const;

test("a topic of one broker never meets the same topic of another; the vhost's first is the default", async () => {
  const node = await startNode({ brokers, vhosts: { "/": { brokers: ["b", "a"] } } });
  const [inA, inB] = [await connect(`${node.ws}/ws`), await connect(`${node.ws}/ws`)];
  expect(await inA.ask({ command: "join", broker: "a", topics: ["t"] })).toMatchObject({ topic: "@join" });
  expect(await inB.ask({ command: "join", topics: ["t"] })).toMatchObject({ topic: "@join" });
  await publish(node, [
    { topics: ["t"], payload: "for b" },
    { topics: ["t"], broker: "a", payload: "for a" },
  ]);
  expect(await inA.next()).toEqual({ topic: "t", payload: "for a" });
  expect(await inB.next()).toEqual({ topic: "t", payload: "for b" });
  // Leaving a topic of one broker leaves that of the other alone.
  await inA.ask({ command: "leave", broker: "b", topics: ["t"] });
  await publish(node, [{ topics: ["t"], broker: "a", payload: "still" }]);
  expect(await inA.next()).toEqual({ topic: "t", payload: "still" });
});

test("W5, E4: a broker that the vhost does not list is unknown to clients and backends", async () => {
  const node = await startNode({ brokers, vhosts: { "/": { brokers: ["b", "a"] } } });
  const client = await connect(`${node.ws}/ws`);
  const refusal = await client.ask({ command: "join", broker: "hidden", topics: ["t"], id: 1 });
  expect(refusal.error).toEqual({ code: "not_found", message: 'unknown broker "hidden"; known: b, a' });
  expect(await publish(node, [{ topics: ["t"], broker: "hidden" }])).toMatchObject({
    code: "not_found",
    message: 'messages[0].broker: unknown broker "hidden"; known: b, a',
  });
});
