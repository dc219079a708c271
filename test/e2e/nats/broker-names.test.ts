import { publish } from "../../support/backends/publish.js";
import { connect } from "../../support/clients/native.js";
import { startNode } from "../../support/nodes/node.js";

const brokers = {
  a: { driver: "memory" },
  b: { driver: "memory" },
  hidden: { driver: "memory" },
} as const;

test("separates the same topic of two brokers, and uses the vhost's first broker by default", async () => {
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
  // Leaving the topic of one broker does not affect that of the other.
  await inA.ask({ command: "leave", broker: "b", topics: ["t"] });
  await publish(node, [{ topics: ["t"], broker: "a", payload: "still" }]);
  expect(await inA.next()).toEqual({ topic: "t", payload: "still" });
});

test("W5, E4: rejects a broker that the vhost does not list, for clients and backends", async () => {
  const node = await startNode({ brokers, vhosts: { "/": { brokers: ["b", "a"] } } });
  const client = await connect(`${node.ws}/ws`);
  const refusal = await client.ask({ command: "join", broker: "hidden", topics: ["t"], id: 1 });
  expect(refusal.error).toEqual({ code: "not_found", message: 'unknown broker "hidden"; known: b, a' });
  expect(await publish(node, [{ topics: ["t"], broker: "hidden" }])).toMatchObject({
    code: "not_found",
    message: 'messages[0].broker: unknown broker "hidden"; known: b, a',
  });
});
