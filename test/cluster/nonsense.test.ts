import { setImmediate as nextTurn } from "node:timers/promises";
import { ManualClock } from "../support/manual-clock.js";
import { startNatsBus } from "../support/nats/bus.js";
import { connectNats } from "../support/nats/client.js";
import { startNats } from "../support/nats/server.js";
import { startCarillon } from "../support/nodes/process.js";
import { startSharedBus } from "../support/nodes/shared-bus.js";
import { createMember, startMember } from "./support.js";

/** Bytes of a full part of a word. */
const PART = 60 << 10;
const ALL = "carillon.$cluster.all";

test("N8: nonsense on the bus is logged once a minute, with a count of the rest", async () => {
  const clock = new ManualClock();
  const bus = await startSharedBus();
  const { errors, member } = createMember("one", bus, clock);
  const started = member.start();
  await nextTurn();
  clock.advance(300);
  await started;
  const sayNonsense = async (times: number): Promise<void> => {
    for (let count = 0; count < times; count += 1) bus.publish("all", Buffer.from("nonsense"));
    // The bus delivers in order: the node's answer to itself comes after them.
    await member.ask("name", null);
  };
  await sayNonsense(100);
  expect(errors).toEqual(["ignored a message on the cluster's bus that no node sends"]);
  clock.advance(60_000);
  expect(errors).toEqual([errors[0], "further messages that no node sends on the cluster's bus: 99"]);
  clock.advance(60_000);
  await sayNonsense(3);
  await member.stop(100);
  expect(errors.slice(2)).toEqual([errors[0], "further messages that no node sends on the cluster's bus: 2"]);
});

test("N8: unfinished words of all nodes together keep 64 MiB, and whole ones still arrive", async () => {
  const server = await startNats();
  const { bus } = await startNatsBus(server.url);
  const one = await startMember("one", bus);
  const connection = await connectNats(server);
  const piece = Buffer.alloc(PART, "x");
  const fakes = ["a", "b", "c", "d"].map((name) => `fake-${name}`);
  for (const from of fakes) {
    connection.publish(ALL, JSON.stringify({ type: "here", from, greet: false, nodes: [], time: Date.now() }));
    // 30 MiB each, but for the last part.
    for (let part = 0; part < 511; part += 1) {
      connection.publish(ALL, Buffer.concat([Buffer.from(`\u0001${from} 1 ${part} 512\n`), piece]));
    }
    await connection.flush();
  }
  const two = await startMember("two", (await startNatsBus(server.url)).bus);
  two.member.tell("note", "y".repeat(1 << 20));
  expect(await one.told.next()).toEqual([two.member.node, "y".repeat(1 << 20)]);
  expect(one.member.lostMessages).toBe(2);
  expect(one.errors).toEqual([expect.stringMatching(/^lost a message of node fake-a: too many unfinished ones/)]);
  // The words of the two that have grown last are still there: their last parts make them whole, which is nonsense here.
  for (const from of fakes) connection.publish(ALL, Buffer.from(`\u0001${from} 1 511 512\nz`));
  await connection.flush();
  two.member.tell("note", "after");
  expect(await one.told.next()).toEqual([two.member.node, "after"]);
  expect(one.errors.slice(1)).toEqual(["ignored a message on the cluster's bus that no node sends"]);
}, 180_000);

test("N8: logs a bounded number of records a minute about input from NATS, and counts the rest", async () => {
  const server = await startNats();
  const node = await startCarillon(["--broker", server.url]);
  const connection = await connectNats(server);
  const words = connection.subscribe(ALL, { max: 1 });
  let id = "";
  for await (const { data } of words) id = (JSON.parse(Buffer.from(data).toString()) as { from: string }).from;
  const inbox = connection.subscribe("carillon.$cluster.node.fake");
  for (let count = 0; count < 500; count += 1) {
    connection.publish(ALL, "nonsense");
    connection.publish(ALL, JSON.stringify({ type: "tell", from: "fake", kind: `kind-${count}`, body: 1 }));
    connection.publish(ALL, JSON.stringify({ type: "tell", from: "fake", kind: "presence.changes", body: count }));
    connection.publish(`carillon.$cluster.tasks.${id}`, "nonsense");
  }
  // It answers in order, so it has read everything before.
  connection.publish(ALL, JSON.stringify({ type: "ask", from: "fake", id: 1, kind: "no such kind", body: null }));
  for await (const { data } of inbox) if (Buffer.from(data).includes('"refusal"')) break;
  node.child.kill("SIGTERM");
  await node.exited;
  const faults = node.log.filter(({ level }) => level === "warn" || level === "error");
  expect(faults.length).toBeLessThan(40);
  expect(faults).toContainEqual(
    expect.objectContaining({ msg: "further records of this kind omitted", kind: "cluster" }),
  );
}, 180_000);
