import { join } from "node:path";
import { LOAD } from "../support/load.js";
import { startNatsBus } from "../support/nats/bus.js";
import { startNatsCluster } from "../support/nats/cluster.js";
import { type NatsServer, startNats } from "../support/nats/server.js";
import { startTcpProxy } from "../support/net/tcp-proxy.js";
import { knowsNodes } from "../support/nodes/knows-nodes.js";
import { runSource, type SourceProcess } from "../support/nodes/source-process.js";
import {
  registerEcho,
  registerWorker,
  startDispatch,
  startNatsDispatches,
  startTask,
  type TestDispatch,
  type TestTask,
  whoHas,
} from "./support.js";

const PROGRAM = join(__dirname, "programs/node.ts");
const TASKS = 100;

/** Starts a node in its own process, with a worker that holds its tasks. Resolves when all nodes know each other. */
async function startProcess(server: NatsServer, node: string, ...others: TestDispatch[]): Promise<SourceProcess> {
  const size = others.length + 1;
  const started = runSource(PROGRAM, [server.url, node, String(size)]);
  await started.printed(/^started$/);
  await Promise.all(others.map(({ member }) => knowsNodes(member, size)));
  return started;
}

function assignedLines({ lines }: SourceProcess): readonly string[] {
  return lines.filter((line) => line.startsWith("assigned "));
}

/** Makes calls, and resolves when the process has taken all of them. */
async function startTasksAt({ dispatch }: TestDispatch, process: SourceProcess, count: number): Promise<TestTask[]> {
  const requested = Array.from({ length: count }, () => startTask(dispatch, "work"));
  await Promise.all(requested.map(({ taken }) => taken));
  while (assignedLines(process).length < count) await process.printed(/^assigned /, process.lines.length);
  return requested;
}

async function expectAllAnswered(requested: readonly TestTask[], answer: string): Promise<void> {
  for (const { ends, outcome } of requested) {
    expect(await outcome).toEqual({ parts: [answer] });
    expect(ends()).toBe(1);
  }
}

test("gives the 100 tasks of a killed node to others within 4 s, as second attempts", async () => {
  const server = await startNats();
  const [near] = await startNatsDispatches(server.url, 1);
  if (near === undefined) throw new Error("no node");
  const killed = await startProcess(server, "killed", near);
  const requested = await startTasksAt(near, killed, TASKS);
  const attempts: number[] = [];
  await registerEcho(near, ["work"], { capacity: 10 }, ({ attempt }) => {
    attempts.push(attempt);
    return "second";
  });

  const began = Date.now();
  killed.child.kill("SIGKILL");
  await expectAllAnswered(requested, "second");
  expect(Date.now() - began).toBeLessThan(4_000 * LOAD);
  expect(attempts).toEqual(requested.map(() => 2));
  expect([near.dispatch.requested, near.dispatch.working, near.dispatch.waiting]).toEqual([0, 0, 0]);
});

test("fails all tasks when the only node with workers is killed", async () => {
  const server = await startNats();
  const [near] = await startNatsDispatches(server.url, 1);
  if (near === undefined) throw new Error("no node");
  const killed = await startProcess(server, "killed", near);
  const requested = await startTasksAt(near, killed, TASKS);
  killed.child.kill("SIGKILL");
  for (const { outcome } of requested) expect(await outcome).toMatchObject({ code: "unavailable" });
  expect(near.dispatch.requested).toBe(0);
});

test("gives the 100 tasks of a frozen node to others, and ignores its answers when it resumes", async () => {
  const server = await startNats();
  const [near] = await startNatsDispatches(server.url, 1);
  if (near === undefined) throw new Error("no node");
  const frozen = await startProcess(server, "frozen", near);
  const requested = await startTasksAt(near, frozen, TASKS);
  frozen.child.kill("SIGSTOP");
  await registerEcho(near, ["work"], { capacity: 10 }, () => "second");
  await expectAllAnswered(requested, "second");

  frozen.child.stdin?.write("answer\n");
  frozen.child.kill("SIGCONT");
  // The frozen node takes part again: an event without a worker is refused.
  frozen.child.stdin?.write("call nobody\n");
  await frozen.printed(/^refused unavailable$/);
  expect(requested.every(({ ends }) => ends() === 1)).toBe(true);
  expect(near.dispatch.requested).toBe(0);
  expect(near.errors).toEqual([]);
});

test("offers the tasks that a frozen node does not take in time to other nodes", async () => {
  const server = await startNats();
  const [near, far] = await startNatsDispatches(server.url, 2);
  if (near === undefined || far === undefined) throw new Error("no nodes");
  const frozen = await startProcess(server, "frozen", near, far);
  await registerEcho(far, ["work"], { capacity: 100 }, () => "far");
  frozen.child.kill("SIGSTOP");
  const requested = Array.from({ length: 50 }, () => startTask(near.dispatch, "work"));
  await expectAllAnswered(requested, "far");
});

test("cancels the calls of a killed node at their workers, and executes its triggers", async () => {
  const server = await startNats();
  const [far] = await startNatsDispatches(server.url, 1);
  if (far === undefined) throw new Error("no node");
  const caller = await startProcess(server, "caller", far);
  const worker = await registerWorker(far, ["other"], { capacity: 10 });
  const waits = await registerWorker(far, ["waits"]);
  caller.child.stdin?.write("call other\ntrigger other\ncall waits\ncall waits\ntrigger waits\n");
  const tasks = [await worker.assigned.next(), await worker.assigned.next()];
  const first = await waits.assigned.next();
  while (far.dispatch.waiting < 2) await new Promise(setImmediate);

  caller.child.kill("SIGKILL");
  expect(await worker.cancelled.next()).toBe(tasks.find(({ wantsAnswer }) => wantsAnswer)?.id);
  expect(await waits.cancelled.next()).toBe(first.id);
  const last = await waits.assigned.next();
  expect(last.wantsAnswer).toBe(false);
  expect(far.dispatch.waiting).toBe(0);
  expect(worker.cancelled.unread).toEqual([]);
  waits.registration.answer(last.id, Buffer.from(""), false);
  worker.registration.answer(tasks.find(({ wantsAnswer }) => !wantsAnswer)?.id ?? "", Buffer.from(""), false);
  expect(far.dispatch.working).toBe(0);
});

test("offers the tasks of a frozen calling node again when it resumes", async () => {
  const server = await startNats();
  const [far] = await startNatsDispatches(server.url, 1);
  if (far === undefined) throw new Error("no node");
  const caller = await startProcess(server, "caller", far);
  const first = await registerWorker(far, ["other"]);
  const second = await registerWorker(far, ["other"]);
  caller.child.stdin?.write("call other\n");
  const workers = [first, second];
  const had = await whoHas(workers);
  const { id } = await had.assigned.next();
  caller.child.kill("SIGSTOP");
  expect(await had.cancelled.next()).toBe(id);
  caller.child.kill("SIGCONT");
  const again = await whoHas(workers);
  expect(again.assigned.unread).toMatchObject([{ attempt: 2, id }]);
  again.registration.answer(id, Buffer.from("done"), false);
  await caller.printed(/^answered done$/);
});

test("uses this node's workers while NATS is down, reports others as unavailable at once, and continues tasks when it returns", async () => {
  const server = await startNats();
  const proxy = await startTcpProxy(server.port);
  const { bus, downs, ups } = await startNatsBus(proxy.natsUrl);
  await ups.next();
  const near = await startDispatch(bus);
  const [far] = await startNatsDispatches(server.url, 1);
  if (far === undefined) throw new Error("no node");
  await Promise.all([near, far].map(({ member }) => knowsNodes(member, 2)));
  const worker = await registerWorker(far, ["far"], { capacity: 10 });
  await registerEcho(near, ["near"]);
  const kept = startTask(near.dispatch, "far");
  const lost = startTask(near.dispatch, "far");
  const ids = [(await worker.assigned.next()).id, (await worker.assigned.next()).id];
  await Promise.all([kept.taken, lost.taken]);

  proxy.shut();
  await downs.next();
  expect(await startTask(near.dispatch, "near").outcome).toEqual({ parts: ["near"] });
  const began = Date.now();
  expect(await startTask(near.dispatch, "far").outcome).toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("reachable worker"),
  });
  expect(Date.now() - began).toBeLessThan(500 * LOAD);
  // This answer is lost. The caller checks the task, and offers it again.
  worker.registration.answer(ids[1] ?? "", Buffer.from("never heard"), false);
  await far.bus.flush();

  proxy.open();
  await ups.next();
  worker.registration.answer(ids[0] ?? "", Buffer.from("kept"), false);
  expect(await kept.outcome).toEqual({ parts: ["kept"] });
  const again = await worker.assigned.next();
  expect(again).toMatchObject({ id: lost.handle.taskId, attempt: 2 });
  worker.registration.answer(again.id, Buffer.from("again"), false);
  expect(await lost.outcome).toEqual({ parts: ["again"] });
  expect([near.dispatch.requested, far.dispatch.working]).toEqual([0, 0]);
});

test("gives a worker tasks from all nodes of a three-server cluster after its registration", async () => {
  const servers = await startNatsCluster(3);
  const nodes: TestDispatch[] = [];
  for (const { url } of servers) nodes.push(await startDispatch((await startNatsBus(url)).bus));
  await Promise.all(nodes.map(({ member }) => knowsNodes(member, nodes.length)));
  for (const node of nodes) {
    for (const { dispatch } of nodes) {
      const registration = await registerEcho(node, ["a"], {}, () => node.member.node);
      expect(await startTask(dispatch, "a").outcome).toEqual({ parts: [node.member.node] });
      registration.unregister();
    }
  }
  for (const node of nodes) await registerEcho(node, ["a"]);
  const requested = Array.from({ length: 300 }, (_, number) => startTask(nodes[number % 3]?.dispatch ?? never(), "a"));
  await expectAllAnswered(requested, "a");

  await servers[2]?.kill();
  const after = Array.from({ length: 50 }, () => startTask(nodes[0]?.dispatch ?? never(), "a"));
  await expectAllAnswered(after, "a");
});

function never(): never {
  throw new Error("no node");
}
