import { join } from "node:path";
import type { Clock } from "../../src/core/ports.js";
import { systemClock } from "../../src/util/system-clock.js";
import { LOAD } from "../support/load.js";
import { startNatsBus } from "../support/nats/bus.js";
import { startNatsCluster } from "../support/nats/cluster.js";
import { startCuttableNats } from "../support/nats/partition.js";
import type { NatsServer } from "../support/nats/server.js";
import { runSource, type SourceProcess } from "../support/nodes/source-process.js";
import { PLACE, type PresenceNode, someone, startPresence, Watcher } from "./support.js";

const PROGRAM = join(__dirname, "programs/node.ts");

/** Longest time to detect a lost node and report its members, in milliseconds: 3.75 s, with room for a loaded machine. */
const LOST_WITHIN = 4_000 * LOAD;

/** Clock of nodes that are lost only after three times the silence, and so not by a short cut on a loaded machine. */
const PATIENT: Clock = {
  ...systemClock,
  after: (milliseconds, run) => systemClock.after(3 * milliseconds, run),
};

async function startNode(server: NatsServer, name: string, clock: Clock = systemClock): Promise<PresenceNode> {
  return startPresence(name, (await startNatsBus(server.url)).bus, clock);
}

/** Starts three servers: a node with 1,000 members in its own process on one, and watching nodes on the two others. */
async function startThree(): Promise<{ readonly third: SourceProcess; readonly watchers: Watcher[] }> {
  const [s0, s1, s2] = (await startNatsCluster(3)) as [NatsServer, NatsServer, NatsServer];
  const nodes = await Promise.all([startNode(s0, "one"), startNode(s1, "two")]);
  for (const [position, { presence }] of nodes.entries()) presence.enter(PLACE, someone(`own-${position}`), false);
  const watchers = nodes.map(({ presence }) => new Watcher(presence));
  await Promise.all(watchers.map((watcher) => watcher.counts(2)));
  const third = runSource(PROGRAM, [s2.url, "third", "1000", "3"]);
  await Promise.all(watchers.map((watcher) => watcher.counts(1_002)));
  await third.printed(/^\+third-999$/);
  expect(third.lines.filter((line) => !line.startsWith("+"))).toEqual(["found 2"]);
  return { third, watchers };
}

function idsOf({ here }: Watcher): string {
  return here.map(({ connectionId }) => connectionId).join();
}

function checkEach(watcher: Watcher, told: (id: string) => string[]): void {
  expect(watcher.faults).toEqual([]);
  const byId = new Map<string, string[]>();
  for (const word of watcher.told.flat()) byId.set(word.slice(1), [...(byId.get(word.slice(1)) ?? []), word]);
  for (let number = 0; number < 1_000; number += 1) {
    const id = `third-${number}`;
    expect(byId.get(id)).toEqual(told(id));
  }
}

test("removes the 1,000 members of a killed node once each, on all nodes within 4 s", async () => {
  const { third, watchers } = await startThree();
  const began = Date.now();
  third.child.kill("SIGKILL");
  await Promise.all(watchers.map((watcher) => watcher.counts(2)));
  expect(Date.now() - began).toBeLessThan(LOST_WITHIN);
  for (const watcher of watchers) checkEach(watcher, (id) => [`+${id}`, `-${id}`]);
});

test("removes the members of a frozen node within 4 s and adds them once each when it resumes, and loses none there", async () => {
  const { third, watchers } = await startThree();
  const began = Date.now();
  third.child.kill("SIGSTOP");
  await Promise.all(watchers.map((watcher) => watcher.counts(2)));
  expect(Date.now() - began).toBeLessThan(LOST_WITHIN);
  third.child.kill("SIGCONT");
  await Promise.all(watchers.map((watcher) => watcher.counts(1_002)));
  for (const watcher of watchers) checkEach(watcher, (id) => [`+${id}`, `-${id}`, `+${id}`]);
  expect(third.lines.filter((line) => line.startsWith("-"))).toEqual([]);
});

test("removes the other side's members on two separated nodes, keeps all on a third, and agrees when the link heals", async () => {
  const { cut, heal, servers } = await startCuttableNats();
  const nodes = await Promise.all(servers.map((server, position) => startNode(server, `n${position}`)));
  const watchers = nodes.map(({ presence }) => new Watcher(presence));
  const enter = (node: number, id: string): void => nodes[node]?.presence.enter(PLACE, someone(`${node}-${id}`), false);
  const allHave = (ids: readonly string[]): Promise<unknown> =>
    Promise.all(watchers.map((watcher, node) => watcher.until(() => idsOf(watcher) === ids[node])));
  for (const node of [0, 1, 2]) enter(node, "a");
  await Promise.all(watchers.map((watcher) => watcher.counts(3)));

  await cut();
  enter(0, "b");
  enter(1, "b");
  await allHave(["0-a,0-b,2-a", "1-a,1-b,2-a", "0-a,0-b,1-a,1-b,2-a"]);
  nodes[0]?.presence.leave(PLACE, "0-a");
  enter(2, "b");

  await heal();
  const all = "0-b,1-a,1-b,2-a,2-b";
  await allHave([all, all, all]);
  for (const { faults } of watchers) expect(faults).toEqual([]);
  expect(watchers[1]?.toldOf("0-a")).toEqual(["+0-a", "-0-a"]);
  expect(watchers[1]?.toldOf("0-b")).toEqual(["+0-b"]);
  expect(watchers[0]?.toldOf("1-a")).toEqual(["+1-a", "-1-a", "+1-a"]);
  expect(watchers[2]?.toldOf("1-a")).toEqual(["+1-a"]);
  for (const { presence } of nodes) expect(presence.count(PLACE)).toBe(5);
});

test("reports exactly the changes missed during a cut too short to lose a node", async () => {
  const { cut, heal, servers } = await startCuttableNats();
  const nodes = await Promise.all(servers.map((server, position) => startNode(server, `n${position}`, PATIENT)));
  const [one, two] = nodes as [PresenceNode, PresenceNode];
  for (const id of ["stays", "leaves"]) one.presence.enter(PLACE, someone(id), false);
  const watcher = new Watcher(two.presence);
  await watcher.counts(2);

  await cut();
  one.presence.leave(PLACE, "leaves");
  one.presence.enter(PLACE, someone("joins"), false);
  await heal();
  await watcher.has("joins");
  expect(watcher.told.slice(1).flat()).toEqual(["-leaves", "+joins"]);
  expect(watcher.faults).toEqual([]);
  expect(two.changes.unread.filter((change) => change.startsWith("-"))).toEqual([]);
});
