import { join } from "node:path";
import { CallService } from "../../gen/carillon/v1/call_pb.js";
import { createWorker } from "../../src/index.js";
import { GrpcBackend, STATUS } from "../support/backends/backend.js";
import { cleanUp } from "../support/clean-up.js";
import { startTwoNatsNodes } from "../support/nats/node.js";
import { startNats } from "../support/nats/server.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { runSource, type SourceProcess } from "../support/nodes/source-process.js";

/** Workers and their callers, on real nodes. */

const UNAVAILABLE = 14;
const TASKS = 100;

async function startTwo(): Promise<readonly [TestNode, TestNode]> {
  const { url } = await startNats();
  return startTwoNatsNodes(url);
}

async function startProcess({ grpc }: TestNode, kind: "stuck" | "useful"): Promise<SourceProcess> {
  const worker = runSource(join(__dirname, "programs/worker.ts"), [grpc, String(TASKS), kind]);
  await worker.printed(/^ready$/);
  return worker;
}

async function startWorker({ grpc }: TestNode): Promise<void> {
  const worker = createWorker({ url: `grpc://${grpc}`, capacity: TASKS, onError: () => {} });
  cleanUp(() => worker.stop());
  worker.on("work", (task, answer) => answer(`${task.text()} at attempt ${task.attempt}`));
  await worker.start();
}

/** Makes calls and returns the outcome of each. */
function callAll(node: TestNode, from: number, count: number): Promise<string | number>[] {
  const backend = new GrpcBackend({ grpc: node.grpc });
  return Array.from({ length: count }, async (_, at) => {
    const payload = Buffer.from(`task ${from + at}`);
    const { answer, status } = await backend.ask(CallService.method.call, { event: "work", payload });
    if (status !== STATUS.ok) return status;
    const { parts } = answer as { readonly parts: readonly Uint8Array[] };
    return Buffer.concat(parts).toString();
  });
}

const ANSWERED = Array.from({ length: TASKS }, (_, at) => `task ${at} at attempt 2`);

test("K2: reassigns the 100 tasks of a killed worker to another one of the node, each once", async () => {
  const node = await startNode();
  const killed = await startProcess(node, "stuck");
  const calls = callAll(node, 0, TASKS);
  await killed.printed(/^took 100$/);
  await startWorker(node);
  killed.child.kill("SIGKILL");
  expect(await Promise.all(calls)).toEqual(ANSWERED);
});

test("K2: refuses the calls of a killed worker when there is no other one", async () => {
  const node = await startNode();
  const killed = await startProcess(node, "stuck");
  const calls = callAll(node, 0, TASKS);
  await killed.printed(/^took 100$/);
  killed.child.kill("SIGKILL");
  expect(await Promise.all(calls)).toEqual(ANSWERED.map(() => UNAVAILABLE));
});

test("K2: reassigns the tasks of a killed worker to the other node's worker, with callers at both nodes", async () => {
  const [first, second] = await startTwo();
  const killed = await startProcess(first, "stuck");
  const calls = [...callAll(first, 0, TASKS / 2), ...callAll(second, TASKS / 2, TASKS / 2)];
  await killed.printed(/^took 100$/);
  await startProcess(second, "useful");
  killed.child.kill("SIGKILL");
  expect(await Promise.all(calls)).toEqual(ANSWERED);
});

test("K2: refuses the calls at both nodes when the only worker is killed", async () => {
  const [first, second] = await startTwo();
  const killed = await startProcess(first, "stuck");
  const calls = [...callAll(first, 0, TASKS / 2), ...callAll(second, TASKS / 2, TASKS / 2)];
  await killed.printed(/^took 100$/);
  killed.child.kill("SIGKILL");
  expect(await Promise.all(calls)).toEqual(ANSWERED.map(() => UNAVAILABLE));
});

test("K2, L7: moves a worker with 100 tasks in flight to the other node when its node stops", async () => {
  const [first, second] = await startTwo();
  const stuck = await startProcess(first, "stuck");
  const calls = callAll(second, 0, TASKS);
  await stuck.printed(/^took 100$/);
  await startWorker(second);
  await first.carillon.stop();
  expect(await Promise.all(calls)).toEqual(ANSWERED);
});

test("K4: answers a call at one node by a worker at the other, in parts and with failures", async () => {
  const [first, second] = await startTwo();
  const worker = createWorker({ url: `grpc://${second.grpc}`, onError: () => {} });
  cleanUp(() => worker.stop());
  worker.on("count.*", async (task, answer) => {
    for (let n = 1; n < 20; n += 1) await answer.part(`${n} `);
    answer(Buffer.alloc(1 << 20, task.payload));
  });
  worker.on("broken", () => {
    throw new Error("not for others");
  });
  await worker.start();
  const backend = new GrpcBackend({ grpc: first.grpc });
  const { answer } = await backend.ask(CallService.method.call, { event: "count.all", payload: Buffer.from("ab") });
  const { parts } = answer as { readonly parts: readonly Uint8Array[] };
  const text = Buffer.concat(parts).toString();
  expect(text.slice(0, 9)).toBe("1 2 3 4 5");
  expect([parts.length, text.length, text.endsWith("abab")]).toEqual([20, 48 + (1 << 20), true]);
  expect(await backend.ask(CallService.method.call, { event: "broken" })).toMatchObject({
    status: 13,
    message: "the worker failed",
  });
  expect(await backend.ask(CallService.method.call, { event: "nobody" })).toMatchObject({ status: UNAVAILABLE });
});
