import { setImmediate as nextTurn } from "node:timers/promises";
import { ManualClock } from "../support/manual-clock.js";
import { startNatsBus } from "../support/nats/bus.js";
import { connectNats } from "../support/nats/client.js";
import { startNats } from "../support/nats/server.js";
import { startCarillon } from "../support/nodes/process.js";
import { startSharedBus } from "../support/nodes/shared-bus.js";
import { createMember, startMember } from "./support.js";

/** Number of bytes in a full fragment. */
const PART = 60 << 10;
const ALL = "carillon.$cluster.all";

test("N8: logs invalid messages on the bus once a minute, and counts the rest", async () => {
  const clock = new ManualClock();
  const bus = await startSharedBus();
  const { errors, member } = createMember("one", bus, clock);
  const started = member.start();
  await nextTurn();
  clock.advance(300);
  await started;
  const sayNonsense = async (times: number): Promise<void> => {
    for (let count = 0; count < times; count += 1) bus.publish("all", Buffer.from("invalid"));
    // The bus delivers in order, so the node's answer to itself follows them.
    await member.ask("name", null);
  };
  await sayNonsense(100);
  expect(errors).toEqual(["ignored an invalid message on the cluster's bus"]);
  clock.advance(60_000);
  expect(errors).toEqual([errors[0], "further invalid messages on the cluster's bus: 99"]);
  clock.advance(60_000);
  await sayNonsense(3);
  await member.stop(100);
  expect(errors.slice(2)).toEqual([errors[0], "further invalid messages on the cluster's bus: 2"]);
});

test("N8: keeps at most 64 MiB of incomplete messages of all nodes, and still receives complete ones", async () => {
  const server = await startNats();
  const { bus } = await startNatsBus(server.url);
  const one = await startMember("one", bus);
  const connection = await connectNats(server);
  const piece = Buffer.alloc(PART, "x");
  const fakes = ["a", "b", "c", "d"].map((name) => `fake-${name}`);
  for (const from of fakes) {
    connection.publish(ALL, JSON.stringify({ type: "here", from, greet: false, nodes: [], time: Date.now() }));
    // Each message has 30 MiB and lacks its last fragment.
    for (let part = 0; part < 511; part += 1) {
      connection.publish(ALL, Buffer.concat([Buffer.from(`\u0001${from} 1 ${part} 512\n`), piece]));
    }
    await connection.flush();
  }
  const two = await startMember("two", (await startNatsBus(server.url)).bus);
  two.member.tell("note", "y".repeat(1 << 20));
  expect(await one.notes.next()).toEqual([two.member.node, "y".repeat(1 << 20)]);
  expect(one.member.lostMessages).toBe(2);
  expect(one.errors).toEqual([expect.stringMatching(/^lost a message from node fake-a: too many incomplete messages/)]);
  // The two messages that grew last are kept: their last fragments complete them, and their content is invalid.
  for (const from of fakes) connection.publish(ALL, Buffer.from(`\u0001${from} 1 511 512\nz`));
  await connection.flush();
  two.member.tell("note", "after");
  expect(await one.notes.next()).toEqual([two.member.node, "after"]);
  expect(one.errors.slice(1)).toEqual(["ignored an invalid message on the cluster's bus"]);
});

test("N8: logs a bounded number of records a minute about input from NATS, and counts the rest", async () => {
  const server = await startNats();
  const node = await startCarillon(["--broker", server.url]);
  const connection = await connectNats(server);
  const messages = connection.subscribe(ALL, { max: 1 });
  let id = "";
  for await (const { data } of messages) id = (JSON.parse(Buffer.from(data).toString()) as { from: string }).from;
  const inbox = connection.subscribe("carillon.$cluster.node.fake");
  for (let count = 0; count < 500; count += 1) {
    connection.publish(ALL, "invalid");
    connection.publish(ALL, JSON.stringify({ type: "tell", from: "fake", kind: `kind-${count}`, body: 1 }));
    connection.publish(ALL, JSON.stringify({ type: "tell", from: "fake", kind: "presence.changes", body: count }));
    connection.publish(`carillon.$cluster.tasks.${id}`, "invalid");
  }
  // The node answers in order, so it has read everything before.
  connection.publish(ALL, JSON.stringify({ type: "ask", from: "fake", id: 1, kind: "no such kind", body: null }));
  for await (const { data } of inbox) if (Buffer.from(data).includes('"refusal"')) break;
  node.child.kill("SIGTERM");
  await node.exited;
  const faults = node.log.filter(({ level }) => level === "warn" || level === "error");
  expect(faults.length).toBeLessThan(40);
  expect(faults).toContainEqual(
    expect.objectContaining({ msg: "further records of this kind omitted", kind: "cluster" }),
  );
});
