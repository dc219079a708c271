import { create, type DescMethodUnary, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { CallRequestSchema, CallResponseSchema, CallService } from "../../../gen/carillon/v1/call_pb.js";
import { STATUS } from "../../support/backends/backend.js";
import { callersOf, statusOf, type TestCaller } from "../../support/backends/mounts.js";
import { cleanUp } from "../../support/clean-up.js";
import { bearer, TestKeys } from "../support/keys.js";
import { startWorkNode, type WorkNode } from "../support/work-node.js";
import { startWorker } from "../support/work-stream.js";

const CANCELLED = 1;
const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

/** Milliseconds in which a loaded machine brings each task to its worker. */
const DEADLINE = 5_000;

const { call, callParts, trigger } = CallService.method;
const UNARY: readonly DescMethodUnary[] = [call, trigger];

function grpcOf(node: WorkNode): TestCaller {
  const [grpc] = callersOf(node);
  if (grpc === undefined) throw new Error("no caller");
  return grpc;
}

function seconds(milliseconds: number) {
  return { seconds: BigInt(Math.floor(milliseconds / 1_000)), nanos: (milliseconds % 1_000) * 1_000_000 };
}

test("K4, O8: refuses invalid calls alike by every protocol", async () => {
  const node = await startWorkNode();
  const ends = [
    [{ event: "" }, STATUS.invalidArgument, "event is empty"],
    [{ event: "$user.ann" }, STATUS.invalidArgument, "event begins with a reserved character (@, # or $)"],
    [{ event: "a b" }, STATUS.invalidArgument, "event contains whitespace or a control character"],
    [{ event: "a", timeout: seconds(0) }, STATUS.invalidArgument, "timeout: expected 1 ms to 10 min"],
    [{ event: "a", timeout: seconds(600_001) }, STATUS.invalidArgument, "timeout: expected 1 ms to 10 min"],
    [{ event: "a" }, UNAVAILABLE, 'no worker handles event "a"'],
  ] as const;
  for (const caller of callersOf(node)) {
    for (const [request, status, message] of ends) {
      for (const method of UNARY) {
        const { message: text, status: actual } = await caller.call(method, request);
        expect([caller.name, method.name, actual, text]).toEqual([caller.name, method.name, status, message]);
      }
      const stream = caller.open(callParts, request);
      const cause = await stream.next().then(
        () => undefined,
        (error: unknown) => error,
      );
      expect([caller.name, statusOf(cause)]).toEqual([caller.name, { status, message }]);
    }
  }
  expect(node.faults).toEqual([]);
});

test("K4: limits a key to events of its own patterns", async () => {
  const keys = new TestKeys({
    worker: { actions: ["work"] },
    scoped: { actions: ["call"], topics: ["orders.*"] },
  });
  const node = await startWorkNode({ directory: keys.keyring });
  const worker = await startWorker(node.grpc, { events: ["*"], capacity: 10 }, bearer("worker"));
  for (const caller of callersOf(node)) {
    for (const method of UNARY) {
      expect(await caller.call(method, { event: "news" }, bearer("scoped"))).toMatchObject({
        status: STATUS.permissionDenied,
        message: 'event: key "scoped" is not permitted to use event "news"',
      });
      expect((await caller.call(method, { event: "orders.1" }, bearer("worker"))).status).toBe(STATUS.permissionDenied);
    }
    const answered = caller.call(call, { event: "orders.1" }, bearer("scoped"));
    const { event, id } = await worker.task();
    worker.answer(id, "");
    expect([event, (await answered).status]).toEqual(["orders.1", STATUS.ok]);
  }
});

test("K4: ends a call with the worker's failure", async () => {
  const node = await startWorkNode();
  const worker = await startWorker(node.grpc, { events: ["a"] });
  for (const caller of callersOf(node)) {
    const answered = caller.call(call, { event: "a" });
    const { id: taskId } = await worker.task();
    worker.say({ case: "fail", value: { taskId, code: "not_found", message: "no such room: ✓" } });
    expect(await answered).toMatchObject({ status: STATUS.notFound, message: "no such room: ✓" });
  }
});

test("K4: passes on parts as they are sent, before a failure", async () => {
  const node = await startWorkNode();
  const worker = await startWorker(node.grpc, { events: ["a"] });
  for (const caller of callersOf(node)) {
    const stream = caller.open(callParts, { event: "a" });
    const first = stream.next();
    const { id: taskId } = await worker.task();
    worker.answer(taskId, "one", true);
    expect(await first).toMatchObject({ value: { payload: Buffer.from("one") } });
    worker.answer(taskId, "two", true);
    expect(await stream.next()).toMatchObject({ value: { payload: Buffer.from("two") } });
    worker.answer(taskId, "three", true);
    worker.say({ case: "fail", value: { taskId, code: "failed_precondition", message: "no more" } });
    expect(await stream.next()).toMatchObject({ value: { payload: Buffer.from("three") } });
    const cause = await stream.next().catch((error: unknown) => error);
    expect(statusOf(cause)).toEqual({ status: STATUS.failedPrecondition, message: "no more" });

    const whole = caller.open(callParts, { event: "a" });
    const next = whole.next();
    worker.answer((await worker.task()).id, "all");
    expect(await next).toMatchObject({ value: { payload: Buffer.from("all") } });
    expect(await whole.next()).toMatchObject({ done: true });
  }
  expect(node.faults).toEqual([]);
});

test("K4: ends a call that is not answered in time with DEADLINE_EXCEEDED, and cancels its task", async () => {
  const node = await startWorkNode();
  const worker = await startWorker(node.grpc, { events: ["a"], capacity: 10 });
  const timeout = seconds(DEADLINE);
  const answers = callersOf(node).map((caller) => caller.call(call, { event: "a", timeout }));
  const ids: string[] = [];
  for (const _ of answers) {
    const { deadline, id } = await worker.task();
    expect(Number(deadline?.seconds) * 1_000 - Date.now()).toBeLessThan(DEADLINE + 1_500);
    ids.push(id);
  }
  for (const answer of await Promise.all(answers)) {
    expect(answer).toMatchObject({ status: DEADLINE_EXCEEDED, message: "not answered in time" });
  }
  const cancelled: string[] = [];
  for (const _ of ids) cancelled.push(await worker.cancelled());
  expect(cancelled.toSorted()).toEqual(ids.toSorted());
  expect(node.node.dispatch.requested).toBe(0);
});

test("K4: gives the task the deadline of a gRPC or Connect call", async () => {
  const node = await startWorkNode();
  const worker = await startWorker(node.grpc, { events: ["a"], capacity: 10 });
  const client = new Client(node.grpc, credentials.createInsecure());
  cleanUp(() => client.close());
  const code = new Promise<number | undefined>((resolve) => {
    client.makeUnaryRequest(
      `/${CallService.typeName}/Call`,
      (message) => Buffer.from(toBinary(CallRequestSchema, message)),
      (bytes) => fromBinary(CallResponseSchema, bytes),
      create(CallRequestSchema, { event: "a" }),
      { deadline: Date.now() + DEADLINE },
      (error: ServiceError | null) => resolve(error?.code),
    );
  });
  const byGrpc = await worker.task();
  expect(Number(byGrpc.deadline?.seconds) * 1_000 - Date.now()).toBeLessThan(DEADLINE + 1_500);
  expect(await code).toBe(DEADLINE_EXCEEDED);
  expect(await worker.cancelled()).toBe(byGrpc.id);

  const response = fetch(`${node.http}/${CallService.typeName}/Call`, {
    method: "POST",
    headers: { "content-type": "application/json", "connect-timeout-ms": String(DEADLINE) },
    body: JSON.stringify({ event: "a" }),
  });
  const byConnect = await worker.task();
  expect(Number(byConnect.deadline?.seconds) * 1_000 - Date.now()).toBeLessThan(DEADLINE + 1_500);
  expect(await (await response).json()).toMatchObject({ code: "deadline_exceeded" });
  expect(await worker.cancelled()).toBe(byConnect.id);
});

test.each(["Call", "CallParts"])(
  "K4: answers %s with deadline_exceeded when Connect ends it before the deadline of the system clock",
  async (method) => {
    const node = await startWorkNode();
    await startWorker(node.grpc, { events: ["a"], capacity: 10 });
    const stream = method === "CallParts";
    const now = Date.now.bind(Date);
    let reads = 0;
    // Goes back with each reading, so that the task's own timer, which is set later than Connect's, has longer to run.
    const clock = jest.spyOn(Date, "now").mockImplementation(() => {
      reads += 1;
      return now() - reads * 1_000;
    });
    try {
      const response = await fetch(`${node.http}/${CallService.typeName}/${method}`, {
        method: "POST",
        headers: {
          "content-type": stream ? "application/connect+json" : "application/json",
          "connect-timeout-ms": "500",
        },
        // Envelopes of streams have flags and a length of four bytes.
        body: stream ? '\0\0\0\0\x0d{"event":"a"}' : '{"event":"a"}',
      });
      expect(await response.text()).toContain('"code":"deadline_exceeded"');
    } finally {
      clock.mockRestore();
    }
  },
);

test("K4: cancels the task when the caller disconnects, for every method", async () => {
  const node = await startWorkNode();
  const worker = await startWorker(node.grpc, { events: ["a"], capacity: 10 });
  for (const caller of callersOf(node)) {
    const stream = caller.open(callParts, { event: "a" });
    const first = stream.next();
    const { id } = await worker.task();
    worker.answer(id, "one", true);
    await first;
    await stream.return(undefined);
    expect([caller.name, await worker.cancelled()]).toEqual([caller.name, id]);
  }
  const controller = new AbortController();
  const gone = fetch(`${node.http}/${CallService.typeName}/Call`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ event: "a" }),
    signal: controller.signal,
  }).catch((error: unknown) => error);
  const { id } = await worker.task();
  controller.abort();
  await gone;
  expect(await worker.cancelled()).toBe(id);

  const client = new Client(node.grpc, credentials.createInsecure());
  cleanUp(() => client.close());
  const code = new Promise<number | undefined>((resolve) => {
    const unary = client.makeUnaryRequest(
      `/${CallService.typeName}/Call`,
      (message) => Buffer.from(toBinary(CallRequestSchema, message)),
      (bytes) => fromBinary(CallResponseSchema, bytes),
      create(CallRequestSchema, { event: "a" }),
      (error: ServiceError | null) => resolve(error?.code),
    );
    void worker.task().then((task) => {
      lastId = task.id;
      unary.cancel();
    });
  });
  let lastId = "";
  expect(await code).toBe(CANCELLED);
  expect(await worker.cancelled()).toBe(lastId);
  expect(node.node.dispatch.requested).toBe(0);
});

test("K4, O6: fails a call whose complete answer is too large, and cancels its task", async () => {
  const node = await startWorkNode();
  const worker = await startWorker(node.grpc, { events: ["a"] });
  const answered = grpcOf(node).call(call, { event: "a" });
  const { id } = await worker.task();
  const payload = Buffer.alloc(3 << 20);
  for (let part = 0; part < 6; part += 1) {
    worker.say({ case: "answer", value: { taskId: id, payload, more: true } });
  }
  expect(await answered).toMatchObject({
    status: STATUS.resourceExhausted,
    message: "the answer is larger than 16777216 bytes: use CallParts to take it part by part",
  });
  expect(await worker.cancelled()).toBe(id);
});

test("K4, O6: fails a call whose parts are not read, and cancels its task", async () => {
  const node = await startWorkNode();
  const worker = await startWorker(node.grpc, { events: ["a"] });
  const stream = grpcOf(node).open(callParts, { event: "a" });
  const first = stream.next();
  const { id } = await worker.task();
  const payload = Buffer.alloc(1 << 20);
  for (let part = 0; part < 60; part += 1) {
    worker.say({ case: "answer", value: { taskId: id, payload, more: true } });
  }
  await first;
  expect(await worker.cancelled()).toBe(id);
  let parts = 1;
  const rest = async (): Promise<unknown> => {
    while ((await stream.next()).done !== true) parts += 1;
    return undefined;
  };
  expect(statusOf(await rest().catch((cause: unknown) => cause))).toEqual({
    status: STATUS.resourceExhausted,
    message: "the caller reads too slowly: 16777216 bytes of the answer are pending",
  });
  expect(parts).toBeLessThan(60);
});

test("K5: answers a trigger when a worker has accepted the task, and reports a later failure", async () => {
  const node = await startWorkNode();
  const worker = await startWorker(node.grpc, { events: ["a"] });
  for (const caller of callersOf(node)) {
    const { answer, status } = await caller.call(trigger, { event: "a", payload: Buffer.from("x") });
    const { id, wantsAnswer } = await worker.task();
    expect([status, answer.taskId, wantsAnswer]).toEqual([STATUS.ok, id, false]);
    worker.answer(id, "dropped", true);
    worker.answer(id, "dropped");
  }
  expect(node.failedTasks).toEqual([]);
  await grpcOf(node).call(trigger, { event: "a" });
  const { id: taskId } = await worker.task();
  worker.say({ case: "fail", value: { taskId, code: "internal", message: "broken" } });
  const last = grpcOf(node).call(call, { event: "a" });
  worker.answer((await worker.task()).id, "");
  await last;
  expect(node.failedTasks.map(({ message }) => message)).toEqual(["broken"]);
});

test("K5: queues a trigger with other tasks while no worker is free", async () => {
  const node = await startWorkNode();
  const worker = await startWorker(node.grpc, { events: ["a"] });
  const caller = grpcOf(node);
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1) ids.push((await caller.call(trigger, { event: "a" })).answer.taskId);
  for (const id of ids) {
    expect((await worker.task()).id).toBe(id);
    worker.answer(id, "");
  }
});
