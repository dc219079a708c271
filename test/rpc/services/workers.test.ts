import { join } from "node:path";
import { CallService } from "../../../gen/carillon/v1/call_pb.js";
import { WorkerStream } from "../../../src/rpc/services/worker-stream.js";
import { STATUS } from "../../support/backends/backend.js";
import { callersOf } from "../../support/backends/mounts.js";
import { ManualClock } from "../../support/manual-clock.js";
import { runSource } from "../../support/nodes/source-process.js";
import { startTask } from "../../workers/support.js";
import { bearer, TestKeys } from "../support/keys.js";
import { startWorkNode } from "../support/work-node.js";
import { startWorker, WorkStream } from "../support/work-stream.js";

const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

test("K1: welcomes a worker after its hello, sends it a complete task, and takes its answer", async () => {
  const { grpc, node } = await startWorkNode();
  const worker = await startWorker(grpc, { events: ["chat/*"] });
  const deadline = Date.now() + 60_000;
  const info = '{ "deep":{"list":[1]}, "id":1724442618569203714 }';
  const { handle, outcome } = startTask(node.dispatch, "chat/say", { topic: "room", deadline, info });
  const task = await worker.task();
  expect(task).toMatchObject({
    id: handle.taskId,
    event: "chat/say",
    topic: "room",
    connectionId: "c1",
    user: "ann",
    info: { deep: { list: [1] }, id: 1724442618569203700 },
    infoJson: info,
    attempt: 1,
    wantsAnswer: true,
  });
  expect(Buffer.from(task.payload).toString()).toBe("chat/say");
  // The task has the remaining time.
  expect(Math.abs(Number(task.deadline?.seconds) * 1_000 - deadline)).toBeLessThan(2_000);
  worker.answer(task.id, "a", true);
  worker.answer(task.id, "b");
  expect(await outcome).toEqual({ parts: ["a", "b"] });
});

test("K1: sends the acknowledgement timeout in the welcome, with fractions of a second", async () => {
  const { grpc, node } = await startWorkNode({ acknowledgeWithin: 1_250 });
  const stream = new WorkStream(grpc);
  const workerId = await stream.hello({ events: ["a"] });
  expect(workerId).toMatch(/^node\d+-w1$/);
  expect(node.dispatch.workers).toBe(1);
});

test.each([
  ["no events", {}, STATUS.invalidArgument, "hello.events: at least one pattern is required"],
  [
    "too many events",
    { events: Array.from({ length: 101 }, (_, at) => `e${at}`) },
    STATUS.invalidArgument,
    "hello.events: got 101, the limit is 100",
  ],
  [
    "a bad pattern",
    { events: ["a*b"] },
    STATUS.invalidArgument,
    'pattern "a*b": a "*" is allowed only at the end or as a whole segment, as in chat-* or orders.*',
  ],
  [
    "a capacity beyond the limit",
    { events: ["a"], capacity: 10_001 },
    STATUS.invalidArgument,
    "hello.capacity is 10001, the limit is 10000",
  ],
  [
    "a long name",
    { events: ["a"], name: "n".repeat(65) },
    STATUS.invalidArgument,
    "hello.name is longer than 64 characters",
  ],
  [
    "another vhost",
    { events: ["a"], vhost: "/other" },
    STATUS.permissionDenied,
    'hello.vhost: the credentials are not valid for vhost "/other"',
  ],
])("K1, O8: refuses a hello with %s, and registers no worker", async (_, hello, status, message) => {
  const { faults, grpc, node } = await startWorkNode();
  const stream = new WorkStream(grpc);
  stream.say({ case: "hello", value: hello });
  expect(await stream.ended).toEqual({ status, message });
  expect(node.dispatch.workers).toBe(0);
  expect(faults).toEqual([]);
});

test.each([
  ["another message before the hello", [{ case: "drain" as const, value: {} }], "hello: must be the first message"],
  [
    "hello twice",
    [
      { case: "hello" as const, value: { events: ["a"] } },
      { case: "hello" as const, value: { events: ["a"] } },
    ],
    "hello: sent twice",
  ],
  [
    "nothing known",
    [{ case: "hello" as const, value: { events: ["a"] } }, { case: undefined }],
    "request: expected acknowledge, answer, fail or drain",
  ],
  [
    "an answer to no task",
    [
      { case: "hello" as const, value: { events: ["a"] } },
      { case: "answer" as const, value: { payload: Buffer.from("x") } },
    ],
    "answer.task_id is required",
  ],
])("K1, O8: ends the stream for %s", async (_, requests, message) => {
  const { grpc, node } = await startWorkNode();
  const stream = new WorkStream(grpc);
  for (const request of requests) stream.say(request);
  expect(await stream.ended).toEqual({ status: STATUS.invalidArgument, message });
  expect(node.dispatch.workers).toBe(0);
});

test("K1: ends the stream of a worker that sends no hello within 10 s", async () => {
  const clock = new ManualClock();
  const { grpc, workers } = await startWorkNode({ clock });
  const stream = new WorkStream(grpc);
  stream.say({ case: "hello", value: { events: ["a*b"] } });
  await stream.ended;
  const before = clock.timers;
  const silent = new WorkStream(grpc);
  while (clock.timers === before) await new Promise(setImmediate);
  clock.advance(10_000);
  expect(await silent.ended).toEqual({ status: DEADLINE_EXCEEDED, message: "hello: not received within 10 s" });
  workers.stop();
});

test("K2: passes a worker's failure to the caller, with unknown codes as internal and long texts cut", async () => {
  const { grpc, node } = await startWorkNode();
  const worker = await startWorker(grpc, { events: ["a"] });
  for (const [code, expected] of [
    ["not_found", "not_found"],
    ["", "internal"],
    ["toString", "internal"],
  ] as const) {
    const { outcome } = startTask(node.dispatch, "a");
    const { id: taskId } = await worker.task();
    worker.say({ case: "fail", value: { taskId, code, message: "x".repeat(2_000) } });
    expect(await outcome).toEqual({ parts: [], code: expected, message: `${"x".repeat(1_023)}…` });
  }
});

test("K2: assigns a worker as many tasks as its capacity, 1 by default", async () => {
  const { grpc, node } = await startWorkNode();
  const one = await startWorker(grpc, { events: ["one"] });
  const three = await startWorker(grpc, { events: ["three"], capacity: 3 });
  for (const event of ["one", "three"]) for (let n = 0; n < 5; n += 1) startTask(node.dispatch, event);
  const first = await one.task();
  for (let n = 0; n < 3; n += 1) await three.task();
  // Two answers are the sentinel: two more tasks only follow after them.
  expect([one.unread.length, three.unread.length]).toEqual([0, 0]);
  expect(node.dispatch.working).toBe(4);
  one.answer(first.id, "done");
  await one.task();
  expect(one.unread).toEqual([]);
});

test("K2: sends a cancellation to the worker, and ignores later messages about the task", async () => {
  const { grpc, node } = await startWorkNode();
  const worker = await startWorker(grpc, { events: ["a"] });
  const { handle, ends } = startTask(node.dispatch, "a");
  const { id } = await worker.task();
  handle.cancel();
  expect(await worker.cancelled()).toBe(id);
  worker.answer(id, "late");
  const next = startTask(node.dispatch, "a");
  worker.answer((await worker.task()).id, "next");
  expect(await next.outcome).toEqual({ parts: ["next"] });
  expect(ends()).toBe(0);
});

test("K2: cancels a task that is not acknowledged in time, and assigns it to another worker", async () => {
  const { grpc, node } = await startWorkNode({ acknowledgeWithin: 3_000 });
  const deaf = await startWorker(grpc, { events: ["a"] });
  const { outcome } = startTask(node.dispatch, "a");
  const { id } = await deaf.task();
  const other = await startWorker(grpc, { events: ["a"] });
  const again = await other.task();
  expect([again.id, again.attempt]).toEqual([id, 2]);
  expect(await deaf.cancelled()).toBe(id);
  other.answer(id, "done");
  expect(await outcome).toEqual({ parts: ["done"] });
});

test.each([
  ["is cut", (worker: WorkStream) => worker.cancel()],
  ["is ended by the worker", (worker: WorkStream) => worker.end()],
])("K2: assigns a worker's tasks to others when its stream %s", async (_, end) => {
  const { grpc, node } = await startWorkNode();
  const lost = await startWorker(grpc, { events: ["a"], capacity: 10 });
  const requested = Array.from({ length: 5 }, () => startTask(node.dispatch, "a"));
  for (let n = 0; n < 5; n += 1) lost.say({ case: "acknowledge", value: { taskId: (await lost.task()).id } });
  const other = await startWorker(grpc, { events: ["a"], capacity: 10 });
  end(lost);
  for (let n = 0; n < 5; n += 1) {
    const { attempt, id } = await other.task();
    expect(attempt).toBe(2);
    other.answer(id, "done");
  }
  for (const { outcome } of requested) expect(await outcome).toEqual({ parts: ["done"] });
});

test("K2: assigns the acknowledged tasks of a failed worker to another", async () => {
  const { grpc, node } = await startWorkNode({ keepalive: { time: 5_000, timeout: 5_000 } });
  const frozen = runSource(join(__dirname, "../../e2e/programs/worker.ts"), [grpc, "10", "stuck"]);
  await frozen.printed(/^ready$/);
  const { outcome } = startTask(node.dispatch, "work");
  await frozen.printed(/^took 1$/);
  frozen.child.kill("SIGSTOP");
  const other = await startWorker(grpc, { events: ["work"] });
  const { attempt, id } = await other.task();
  other.answer(id, "done");
  expect([attempt, await outcome]).toEqual([2, { parts: ["done"] }]);
});

test("K3: sends no new tasks to a draining worker, and ends its stream with OK when the current ones have ended", async () => {
  const { grpc, node } = await startWorkNode();
  const worker = await startWorker(grpc, { events: ["a"], capacity: 10 });
  const { outcome, parts } = startTask(node.dispatch, "a");
  const { id } = await worker.task();
  worker.say({ case: "drain", value: {} });
  worker.answer(id, "more", true);
  expect(await parts.next()).toBe("more");
  expect(await startTask(node.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
  worker.answer(id, "last");
  expect(await outcome).toEqual({ parts: ["more", "last"] });
  expect(await worker.ended).toMatchObject({ status: STATUS.ok });
  expect(worker.unread).toEqual([]);
});

test("K3: ends each worker's stream after its tasks when the node drains", async () => {
  const { grpc, node, workers } = await startWorkNode();
  const idle = await startWorker(grpc, { events: ["b"] });
  const busy = await startWorker(grpc, { events: ["a"] });
  const { outcome } = startTask(node.dispatch, "a");
  const { id } = await busy.task();
  const drained = node.dispatch.drain();
  workers.drain();
  const end = { status: UNAVAILABLE, message: "this node is stopping" };
  expect(await idle.ended).toEqual(end);
  const late = new WorkStream(grpc);
  expect(await late.ended).toEqual(end);
  busy.answer(id, "done");
  expect(await busy.ended).toEqual(end);
  expect(await outcome).toEqual({ parts: ["done"] });
  await drained;
});

test("K2: ends streams and fails the callers when the node stops", async () => {
  const { grpc, node, workers } = await startWorkNode();
  const worker = await startWorker(grpc, { events: ["a"] });
  const { outcome } = startTask(node.dispatch, "a");
  await worker.task();
  node.dispatch.stop();
  workers.stop();
  expect(await worker.ended).toEqual({ status: UNAVAILABLE, message: "this node is stopping" });
  expect(await outcome).toMatchObject({ parts: [], code: "unavailable" });
});

test("K1: limits a key to events of its own patterns, and ends the stream when the key is revoked", async () => {
  const keys = new TestKeys({
    scoped: { actions: ["work"], topics: ["orders.*", "re:chat/[a-z]+"] },
    all: { actions: ["work"] },
    caller: { actions: ["call"] },
  });
  const { grpc, node } = await startWorkNode({ directory: keys.keyring });
  for (const events of [["*"], ["orders.*", "news"], ["orders.>"], ["chat/1"]]) {
    const stream = new WorkStream(grpc, bearer("scoped"));
    stream.say({ case: "hello", value: { events } });
    const { message, status } = await stream.ended;
    expect([events, status]).toEqual([events, STATUS.permissionDenied]);
    expect(message).toContain('hello.events: key "scoped" is not permitted to take the events ');
  }
  const caller = new WorkStream(grpc, bearer("caller"));
  expect(await caller.ended).toMatchObject({ status: STATUS.permissionDenied });
  const nobody = new WorkStream(grpc);
  expect(await nobody.ended).toMatchObject({ status: STATUS.unauthenticated });

  const scoped = await startWorker(grpc, { events: ["orders.*", "orders.42", "chat/say"] }, bearer("scoped"));
  const all = await startWorker(grpc, { events: ["*"] }, bearer("all"));
  const { outcome } = startTask(node.dispatch, "orders.42");
  await scoped.task();
  keys.keep("all");
  expect(await scoped.ended).toMatchObject({ status: STATUS.unauthenticated });
  // Its task goes to another worker.
  const { attempt, id } = await all.task();
  all.answer(id, "done");
  expect([attempt, await outcome]).toEqual([2, { parts: ["done"] }]);
});

test("K1: sends no tasks to workers of another vhost", async () => {
  const keys = new TestKeys({ here: { actions: ["*"] }, there: { actions: ["*"], vhost: "/there" } });
  const { grpc, node } = await startWorkNode({ directory: keys.keyring });
  const there = await startWorker(grpc, { events: ["*"] }, bearer("there"));
  expect(await startTask(node.dispatch, "a").outcome).toMatchObject({ code: "unavailable" });
  const { outcome } = startTask(node.dispatch, "b", { vhost: "/there" });
  const { event, id } = await there.task();
  there.answer(id, event);
  expect(await outcome).toEqual({ parts: ["b"] });
});

test("K2, O6: queues no more than its capacity for a worker that does not read, while tasks come and are cancelled", async () => {
  const { grpc, node } = await startWorkNode();
  const worker = await startWorker(grpc, { events: ["a"], capacity: 100 });
  worker.pause();
  const payload = Buffer.alloc(64 << 10);
  const received = new Set<string>();
  for (let round = 0; round < 50; round += 1) {
    const requested = Array.from({ length: 100 }, () => startTask(node.dispatch, "a", { payload }));
    await new Promise(setImmediate);
    // The worker acknowledges tasks that it has not read, so it is assigned more.
    for (const { handle } of requested.slice(0, 50)) worker.answer(handle.taskId, "");
    for (const { outcome } of requested.slice(0, 50)) await outcome;
    for (const { handle } of requested.slice(50)) handle.cancel();
  }
  const last = startTask(node.dispatch, "a");
  worker.resume();
  const cancelled = new Set<string>();
  while (!received.has(last.handle.taskId)) {
    const next = await worker.any();
    if (next.case === "task") received.add(next.value.id);
    if (next.case === "cancel") cancelled.add(next.value.taskId);
  }
  expect([...cancelled].filter((id) => !received.has(id))).toEqual([]);
  // There were 5,000 calls. The others sent are those that the connection had accepted earlier.
  expect(received.size).toBeLessThan(300);
  worker.answer(last.handle.taskId, "done");
  expect(await last.outcome).toEqual({ parts: ["done"] });
});

test("K1: does not register a worker that disconnects first", async () => {
  const { node } = await startWorkNode();
  const stream = new WorkerStream();
  const registering = node.dispatch.registerWorker({ vhost: "/", events: ["a"], capacity: 1, name: "" }, stream);
  stream.end();
  stream.register(await registering, 10_000);
  expect(node.dispatch.workers).toBe(0);
});

test("K1, R8: answers 505 to Work over HTTP/1.1, by every protocol", async () => {
  const { http } = await startWorkNode();
  for (const contentType of ["application/connect+proto", "application/connect+json", "application/grpc-web+proto"]) {
    const response = await fetch(`${http}/carillon.v1.WorkerService/Work`, {
      method: "POST",
      headers: { "content-type": contentType },
      body: new Uint8Array(5),
    });
    expect([contentType, response.status]).toEqual([contentType, 505]);
  }
});

test("K4: passes calls of every protocol to workers", async () => {
  const mounts = await startWorkNode();
  const worker = await startWorker(mounts.grpc, { events: ["chat/*"], capacity: 10 });
  for (const caller of callersOf(mounts)) {
    const answered = caller.call(CallService.method.call, { event: "chat/say", payload: Buffer.from(caller.name) });
    const task = await worker.task();
    expect([task.connectionId, task.user, task.info, task.topic]).toEqual(["", "", {}, ""]);
    worker.answer(task.id, "hello ", true);
    worker.answer(task.id, Buffer.from(task.payload).toString());
    const { answer, status } = await answered;
    expect(status).toBe(STATUS.ok);
    expect(answer.parts.map((part) => Buffer.from(part).toString())).toEqual(["hello ", caller.name]);
  }
  expect(mounts.faults).toEqual([]);
});
