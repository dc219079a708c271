import { join } from "node:path";
import { namesIn, startMember, type TestMember } from "../../cluster/support.js";
import { cleanUp } from "../../support/clean-up.js";
import { LOAD } from "../../support/load.js";
import { startNatsBus } from "../../support/nats/bus.js";
import { connectNats } from "../../support/nats/client.js";
import { type NatsServer, startNats } from "../../support/nats/server.js";
import { startTcpProxy } from "../../support/net/tcp-proxy.js";
import { knowsNodes } from "../../support/nodes/knows-nodes.js";
import { runSource, type SourceProcess } from "../../support/nodes/source-process.js";

const PROGRAM = join(__dirname, "../../cluster/programs/member.ts");

async function startNode(server: NatsServer, name: string): Promise<TestMember> {
  const { bus } = await startNatsBus(server.url);
  return startMember(name, bus);
}

/** Starts a node in its own process. */
async function startProcess(server: NatsServer, node: string): Promise<SourceProcess> {
  const started = runSource(PROGRAM, [server.url, node]);
  await started.printed(/^started$/);
  return started;
}

/** Skips changes until the given one. */
async function changeOf({ changes }: TestMember, wanted: string): Promise<void> {
  while ((await changes.next()) !== wanted);
}

test("connects started nodes, which all answer", async () => {
  const server = await startNats();
  const one = await startNode(server, "one");
  const two = await startNode(server, "two");
  const three = await startNode(server, "three");
  for (const { member } of [one, two, three]) {
    await knowsNodes(member, 3);
    const { answers, missing } = await member.ask("name", null);
    expect(namesIn(answers)).toEqual(["one", "three", "two"]);
    expect(missing).toEqual([]);
  }
});

test("connects nodes that start at once", async () => {
  const server = await startNats();
  const started = await Promise.all(["a", "b", "c", "d", "e"].map((name) => startNode(server, name)));
  await Promise.all(started.map(({ member }) => knowsNodes(member, 5)));
  const [first] = started;
  expect(namesIn((await first?.member.ask("name", null))?.answers ?? new Map())).toEqual(["a", "b", "c", "d", "e"]);
});

test("removes a stopped node at once, and a killed one within 4 s", async () => {
  const server = await startNats();
  const one = await startNode(server, "one");
  const stops = await startNode(server, "stops");
  const { child } = await startProcess(server, "killed");
  await knowsNodes(one.member, 3);

  await stops.member.stop(1_000);
  await changeOf(one, `-${stops.member.node}`);
  expect([...one.member.nodes]).toEqual([one.member.node, "killed"]);

  const began = Date.now();
  child.kill("SIGKILL");
  // The node is not yet known to be dead, so its answer is awaited and reported missing.
  const { answers, missing } = await one.member.ask("name", null);
  expect(namesIn(answers)).toEqual(["one"]);
  expect(missing).toEqual(["killed"]);
  expect(Date.now() - began).toBeGreaterThan(1_500);
  await changeOf(one, "-killed");
  expect(Date.now() - began).toBeLessThan(4_000 * LOAD);
  expect(await one.member.ask("name", null)).toMatchObject({ missing: [] });
});

test("reports a node as missing at once when it is lost during a request", async () => {
  const server = await startNats();
  const one = await startNode(server, "one");
  const two = await startNode(server, "two");
  await knowsNodes(one.member, 2);
  one.member.handle("wait", () => 1);
  two.member.handle("wait", () => new Promise(() => {}));
  const outcome = one.member.ask("wait", null);
  await two.member.stop(1_000);
  expect(await outcome).toMatchObject({ missing: [two.member.node] });
});

test("removes a frozen node and adds it again when it resumes, without it losing the others", async () => {
  const server = await startNats();
  const one = await startNode(server, "one");
  const two = await startNode(server, "two");
  const frozen = await startProcess(server, "frozen");
  await changeOf(one, "+frozen");
  await changeOf(two, "+frozen");

  frozen.child.kill("SIGSTOP");
  await Promise.all([changeOf(one, "-frozen"), changeOf(two, "-frozen")]);
  frozen.child.kill("SIGCONT");
  await Promise.all([changeOf(one, "+frozen"), changeOf(two, "+frozen")]);

  const { answers, missing } = await one.member.ask("name", null);
  expect(namesIn(answers)).toEqual(["frozen", "one", "two"]);
  expect(missing).toEqual([]);
  expect(frozen.lines.filter((line) => line.startsWith("-"))).toEqual([]);
});

test("delivers answers that are larger than a NATS message", async () => {
  const server = await startNats("max_payload: 100KB");
  const one = await startNode(server, "one");
  const two = await startNode(server, "two");
  await knowsNodes(one.member, 2);
  const large = "x".repeat(1_000_000);
  two.member.handle("large", () => large);
  one.member.handle("large", (body) => body);
  const { answers } = await one.member.ask("large", large);
  expect([...answers.values()].every((answer) => answer === large)).toBe(true);
  expect(answers.size).toBe(2);
});

test("answers itself and reports the others as missing while NATS is disconnected, and finds all when it returns", async () => {
  const server = await startNats();
  const proxy = await startTcpProxy(server.port);
  const { bus, downs, ups } = await startNatsBus(proxy.natsUrl);
  await ups.next();
  const cutOff = await startMember("cut-off", bus);
  const one = await startNode(server, "one");
  const two = await startNode(server, "two");
  await changeOf(cutOff, `+${two.member.node}`);

  proxy.shut();
  await downs.next();
  expect(bus.up).toBe(false);
  // Due before the question's timeout: timers run in the order of their times, even when they are late.
  const late = new Promise<undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), 1_500);
    cleanUp(() => clearTimeout(timer));
  });
  const answer = await Promise.race([cutOff.member.ask("name", null), late]);
  if (answer === undefined) throw new Error("the question has waited for the other nodes");
  const { answers, missing } = answer;
  expect(namesIn(answers)).toEqual(["cut-off"]);
  expect(missing.toSorted()).toEqual([one.member.node, two.member.node].toSorted());
  await changeOf(one, `-${cutOff.member.node}`);
  // The state of the other nodes is unknown: they are neither removed nor reported as having answered.
  expect(cutOff.changes.unread).toEqual([]);
  cutOff.member.tell("note", "to itself");
  expect(await cutOff.notes.next()).toEqual([cutOff.member.node, "to itself"]);

  proxy.open();
  await changeOf(one, `+${cutOff.member.node}`);
  expect(namesIn((await cutOff.member.ask("name", null)).answers)).toEqual(["cut-off", "one", "two"]);
  expect(cutOff.changes.unread).toEqual([]);
});

test("finds the other nodes when NATS becomes available after the start", async () => {
  const server = await startNats();
  const proxy = await startTcpProxy(server.port);
  proxy.shut();
  const one = await startNode(server, "one");
  const { bus } = await startNatsBus(proxy.natsUrl);
  const late = await startMember("late", bus);
  expect([...late.member.nodes]).toEqual([late.member.node]);
  proxy.open();
  await changeOf(late, `+${one.member.node}`);
  expect(namesIn((await late.member.ask("name", null)).answers)).toEqual(["late", "one"]);
});

test("separates clusters by prefix, and reports invalid messages on the bus once", async () => {
  const server = await startNats();
  const one = await startNode(server, "one");
  const { bus } = await startNatsBus(server.url, { prefix: "other" });
  const other = await startMember("other", bus);
  expect([one.member.nodes.size, other.member.nodes.size]).toEqual([1, 1]);

  const connection = await connectNats(server);
  for (let count = 0; count < 10; count += 1) connection.publish("carillon.$cluster.all", "invalid");
  await connection.flush();
  expect(namesIn((await one.member.ask("name", null)).answers)).toEqual(["one"]);
  const two = await startNode(server, "two");
  await changeOf(one, `+${two.member.node}`);
  expect(one.errors).toHaveLength(1);
});
