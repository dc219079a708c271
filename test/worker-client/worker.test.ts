import { CallService } from "../../gen/carillon/v1/call_pb.js";
import { CarillonError, createWorker, type Worker, type WorkerOptions, type WorkerTask } from "../../src/index.js";
import { withResolvers } from "../../src/util/with-resolvers.js";
import { startWorkNode } from "../rpc/support/work-node.js";
import { startWorker } from "../rpc/support/work-stream.js";
import { bearer, configuredKey, GrpcBackend, STATUS } from "../support/backends/backend.js";
import { cleanUp } from "../support/clean-up.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { Queue } from "../support/queue.js";
import { startTask } from "../workers/support.js";

const INTERNAL = 13;
const UNAVAILABLE = 14;

interface Made {
  readonly worker: Worker;
  readonly errors: Queue<Error>;
}

function make({ grpc }: Pick<TestNode, "grpc">, options: Partial<WorkerOptions> = {}): Made {
  const errors = new Queue<Error>();
  const worker = createWorker({ url: `grpc://${grpc}`, onError: (error) => errors.push(error), ...options });
  cleanUp(() => worker.stop({ timeout: 0 }));
  return { worker, errors };
}

async function call(node: Pick<TestNode, "grpc">, event: string, payload = "") {
  const { answer, message, status } = await new GrpcBackend({ grpc: node.grpc }).ask(CallService.method.call, {
    event,
    payload: Buffer.from(payload),
  });
  const { parts = [] } = (answer ?? {}) as { readonly parts?: readonly Uint8Array[] };
  return { status, message, parts: parts.map((part) => Buffer.from(part).toString()) };
}

/** Node with a worker that keeps each task until the test ends it. */
async function startHeld() {
  const node = await startNode();
  const { worker } = make(node);
  const running = new Queue<() => void>();
  worker.on("a", async (_task, answer) => {
    await new Promise<void>((resolve) => running.push(resolve));
    answer("done");
  });
  await worker.start();
  return { node, worker, running };
}

test("K6: answers in one or several parts from the most specific handler", async () => {
  const node = await startNode();
  const { worker } = make(node);
  worker
    .on("*", (_task, answer) => answer("anything"))
    .on("chat/*", (task, answer) => answer(`chat: ${task.text()}`))
    .on("chat/list", async (task, answer) => {
      for (const one of task.json() as readonly string[]) await answer.part(one);
      answer(Buffer.from("end"));
    })
    .on("nothing", () => {});
  await worker.start();
  expect(await call(node, "chat/say", "hi ✓")).toEqual({ status: STATUS.ok, message: "", parts: ["chat: hi ✓"] });
  expect((await call(node, "chat/list", '["a", "b"]')).parts).toEqual(["a", "b", "end"]);
  expect((await call(node, "other")).parts).toEqual(["anything"]);
  expect((await call(node, "nothing")).parts).toEqual([""]);
});

test("K6, A16: passes the caller's info as an object, and as the text in its token", async () => {
  const { grpc, node } = await startWorkNode();
  const info = '{ "id":1724442618569203714, "b":1.10 }';
  const { worker } = make({ grpc });
  worker.on("info", (task, answer) => answer(JSON.stringify([task.info, task.infoJson])));
  await worker.start();
  const { parts } = await startTask(node.dispatch, "info", { info }).outcome;
  expect(JSON.parse(parts.join(""))).toEqual([{ id: 1724442618569203700, b: 1.1 }, info]);
});

test("K6: passes a handler's CarillonError to the caller, and hides the text of any other error", async () => {
  const node = await startNode();
  const { errors, worker } = make(node);
  worker
    .on("refused", () => {
      throw new CarillonError("not_found", "no such room");
    })
    .on("broken", () => Promise.reject(new Error("password is 1234")))
    .on("text", () => {
      // oxlint-disable-next-line typescript/only-throw-error
      throw "oops";
    })
    .on("twice", (_task, answer) => {
      answer("one");
      answer("two");
    })
    .on("large", (_task, answer) => answer(Buffer.alloc(4 << 20)));
  await worker.start();
  expect(await call(node, "refused")).toEqual({ status: STATUS.notFound, message: "no such room", parts: [] });
  expect(errors.unread).toEqual([]);
  expect(await call(node, "broken")).toEqual({ status: INTERNAL, message: "the worker failed", parts: [] });
  expect((await errors.next()).message).toBe("password is 1234");
  expect(await call(node, "text")).toMatchObject({ status: INTERNAL, message: "the worker failed" });
  expect((await errors.next()).message).toBe("the handler of event text threw oops");
  expect((await call(node, "twice")).parts).toEqual(["one"]);
  expect((await errors.next()).message).toMatch(/^task \S+ was already answered$/);
  expect(await call(node, "large")).toMatchObject({ status: STATUS.resourceExhausted });
  expect((await call(node, "refused")).status).toBe(STATUS.notFound);
});

test("K6: aborts a handler when the caller no longer waits", async () => {
  const node = await startNode();
  const { errors, worker } = make(node);
  const tasks = new Queue<WorkerTask>();
  const { promise: aborted, resolve } = withResolvers<unknown>();
  const { promise: end, resolve: wentOn } = withResolvers<void>();
  worker.on("slow", async (task, answer) => {
    const gone = new Promise((done) => task.signal.addEventListener("abort", done));
    tasks.push(task);
    await gone;
    resolve(task.signal.reason);
    await answer.part("dropped");
    answer("dropped");
    wentOn();
    throw new Error("dropped, too");
  });
  await worker.start();
  // Covers the caller's connection, too.
  const timeout = { seconds: 3n, nanos: 0 };
  const asked = new GrpcBackend({ grpc: node.grpc }).ask(CallService.method.call, { event: "slow", timeout });
  const { attempt, deadline, id, wantsAnswer } = await tasks.next();
  expect([attempt, wantsAnswer, id === "", Math.abs(deadline - Date.now()) < 4_000]).toEqual([1, true, false, true]);
  expect((await asked).status).toBe(4);
  expect(await aborted).toMatchObject({ code: "cancelled" });
  await end;
  expect(errors.unread).toEqual([]);
});

test("K6: fails to start when the node refuses the worker, without retries", async () => {
  const keys = [
    configuredKey("worker", { actions: ["work"], topics: ["chat/*"] }),
    configuredKey("publisher", { actions: ["publish"] }),
    configuredKey("caller", { actions: ["call"] }),
  ];
  const node = await startNode({ vhosts: { "/": { keys } } });
  for (const [options, pattern, code] of [
    [{}, "chat/*", "unauthenticated"],
    [{ key: "wrong" }, "chat/*", "unauthenticated"],
    [{ key: "publisher" }, "chat/*", "permission_denied"],
    [{ key: "worker" }, "*", "permission_denied"],
    [{ key: "worker", vhost: "/other" }, "chat/*", "permission_denied"],
    [{ key: "worker", name: "n".repeat(65) }, "chat/*", "invalid_argument"],
  ] as const) {
    const { worker } = make(node, options);
    worker.on(pattern, () => {});
    await expect(worker.start()).rejects.toMatchObject({ code });
  }
  const { worker } = make(node, { key: "worker", vhost: "/" });
  await worker.on("chat/*", (_task, answer) => answer("in")).start();
  const backend = new GrpcBackend({ grpc: node.grpc, headers: bearer("caller") });
  expect((await backend.ask(CallService.method.call, { event: "chat/a" })).status).toBe(STATUS.ok);
});

test("K6, O8: rejects invalid options", async () => {
  const node = await startNode();
  expect(() => createWorker({ url: "http://127.0.0.1:6001" })).toThrow("url: expected grpc://HOST:PORT");
  expect(() => createWorker({ url: "grpc://" })).toThrow("url: expected grpc://HOST:PORT");
  expect(() => createWorker({ url: "grpc://a:1", tls: {} })).toThrow("tls: requires a grpcs:// url");
  expect(() => createWorker({ url: "grpc://a:1", capacity: 0 })).toThrow("capacity: expected 1 to 10,000, got 0");
  expect(() => createWorker({ url: "grpc://a:1", capacity: 10_001 })).toThrow("capacity");
  const { worker } = make(node);
  worker.on("a", () => {});
  expect(() => worker.on("a", () => {})).toThrow('duplicate handler for "a"');
  expect(() => worker.on("a*b", () => {})).toThrow('pattern "a*b"');
  await worker.start();
  expect(() => worker.on("b", () => {})).toThrow("the worker was already started");
  await expect(make(node).worker.start()).rejects.toMatchObject({ code: "invalid_argument" });
});

test("K6: acknowledges a task when its handler starts", async () => {
  const node = await startWorkNode({ acknowledgeWithin: 3_000 });
  const { worker } = make(node);
  const running = new Queue<() => void>();
  worker.on("slow", async (task, answer) => {
    await new Promise<void>((resolve) => running.push(resolve));
    answer(`attempt ${task.attempt}`);
  });
  await worker.start();
  const answered = call(node, "slow");
  const end = await running.next();
  // A later task that its worker does not acknowledge has been taken away, so enough time has passed.
  const deaf = await startWorker(node.grpc, { events: ["deaf"] });
  const lost = call(node, "deaf");
  await deaf.task();
  await deaf.cancelled();
  expect((await lost).status).toBe(UNAVAILABLE);
  end();
  expect((await answered).parts).toEqual(["attempt 1"]);
});

test("K6: runs no more concurrent tasks than its capacity", async () => {
  const node = await startNode();
  const { worker } = make(node, { capacity: 2 });
  const running = new Queue<() => void>();
  let most = 0;
  let now = 0;
  worker.on("a", async () => {
    now += 1;
    most = Math.max(most, now);
    await new Promise<void>((resolve) => running.push(resolve));
    now -= 1;
  });
  await worker.start();
  const calls = Array.from({ length: 7 }, () => call(node, "a"));
  const ends = [await running.next(), await running.next()];
  for (let n = 0; n < 5; n += 1) {
    ends.shift()?.();
    ends.push(await running.next());
  }
  for (const end of ends) end();
  for (const { status } of await Promise.all(calls)) expect(status).toBe(STATUS.ok);
  expect(most).toBe(2);
});

test("K6: accepts no new tasks on stop, completes the current ones, and disconnects", async () => {
  const { node, running, worker } = await startHeld();
  const first = call(node, "a");
  const end = await running.next();
  const stopped = worker.stop();
  while ((await call(node, "a")).status !== UNAVAILABLE) (await running.next())();
  end();
  await stopped;
  expect((await first).parts).toEqual(["done"]);
  await worker.stop();
});

test("K6: passes tasks to another worker when they exceed the timeout of stop", async () => {
  const node = await startNode();
  const { worker } = make(node);
  const tasks = new Queue<WorkerTask>();
  worker.on("a", (task) => {
    tasks.push(task);
    return new Promise((resolve) => task.signal.addEventListener("abort", () => resolve()));
  });
  await worker.start();
  const answered = call(node, "a");
  await tasks.next();
  const { worker: other } = make(node);
  await other.on("a", ({ attempt }, answer) => answer(`attempt ${attempt}`)).start();
  await worker.stop({ timeout: 1 });
  expect((await answered).parts).toEqual(["attempt 2"]);
});

test("K6: rejects start when it is stopped before it is accepted or started", async () => {
  const away = await startNode();
  await away.carillon.stop();
  const { worker } = make(away);
  const started = worker.on("a", () => {}).start();
  await worker.stop();
  await expect(started).rejects.toMatchObject({ code: "cancelled" });
  const { worker: never } = make(away);
  await never.stop();
  await expect(never.start()).rejects.toMatchObject({ code: "cancelled" });
});

test("K6: reconnects when its node returns, and reports the lost connection", async () => {
  const first = await startNode();
  const { errors, worker } = make(first);
  await worker.on("a", (_task, answer) => answer("done")).start();
  expect((await call(first, "a")).parts).toEqual(["done"]);
  await first.carillon.stop();
  expect(await errors.next()).toMatchObject({ code: "unavailable" });
  const second = await startNode({ grpc: first.grpc });
  while ((await call(second, "a")).status === UNAVAILABLE);
  expect((await call(second, "a")).parts).toEqual(["done"]);
});

test("K6: waits for a node that has not started yet", async () => {
  const before = await startNode();
  await before.carillon.stop();
  const { errors, worker } = make(before);
  const started = worker.on("a", (_task, answer) => answer("done")).start();
  expect(await errors.next()).toMatchObject({ code: "unavailable" });
  const node = await startNode({ grpc: before.grpc });
  await started;
  expect((await call(node, "a")).parts).toEqual(["done"]);
});

test("K6, L7: completes its tasks when the node stops", async () => {
  const { node, running } = await startHeld();
  const answered = call(node, "a");
  const end = await running.next();
  const stopped = node.carillon.stop();
  end();
  expect((await answered).parts).toEqual(["done"]);
  await stopped;
});
