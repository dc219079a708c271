import { TestBackend } from "../support/backend.js";
import { connect } from "../support/client.js";
import { startNode } from "../support/node.js";
import { startWorker } from "../support/worker.js";
import { enter, jwt, startWorld, type VhostInput, WORLDS } from "./support.js";

const anyone = { permissions: { call: ["*"] } };
const vhosts = { "/": { jwt, client_publish: true, anonymous: anyone } } satisfies Record<string, VhostInput>;

const call = (event: string, id: number, fields: object = {}) => ({ command: "call", topics: [event], id, ...fields });

describe.each(WORLDS)("W18: calls: %s", (kind) => {
  test("a worker at another node is told who asks, and can reach that connection", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const worker = await startWorker(other, ["chat/*"]);
    const client = await enter(one, { sub: "eve", info: { name: "Eve" } });
    await client.join("foo");
    client.send(call("chat/history", 1, { payload: "all" }));
    const task = await worker.tasks.next();
    expect(task).toMatchObject({ event: "chat/history", user: "eve", info: { name: "Eve" }, topic: "", attempt: 1 });
    await new TestBackend(other).say(`$connection.${task.connectionId}`, "only you");
    expect(await client.next()).toEqual({ topic: `$connection.${task.connectionId}`, payload: "only you" });
    worker.answer(task, "x".repeat(300_000));
    expect(await client.next()).toEqual({ topic: "@call", payload: "x".repeat(300_000), id: 1 });
  });

  test("many at a time are each answered once, with what belongs to them", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const workers = [await startWorker(one, ["sum"]), await startWorker(other, ["sum"])];
    const client = await connect(`${one.ws}/ws`);
    for (const worker of workers) {
      const work = async (): Promise<never> => {
        for (;;) {
          const task = await worker.tasks.next();
          worker.answer(task, task.payload);
        }
      };
      void work();
    }
    for (let id = 0; id < 100; id += 1) client.send(call("sum", id, { payload: `p${id}` }));
    const answers = new Map<unknown, unknown>();
    while (answers.size < 100) {
      const { id, payload } = await client.next();
      expect(answers.has(id)).toBe(false);
      answers.set(id, payload);
    }
    for (let id = 0; id < 100; id += 1) expect(answers.get(id)).toBe(`p${id}`);
    await client.join("foo");
  });

  test("the end of the connection cancels calls, and not what was triggered", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const worker = await startWorker(other, ["*"]);
    const client = await connect(`${one.ws}/ws`);
    await client.ask({ command: "publish", topics: ["foo"], trigger: "mail", id: 1 });
    const triggered = await worker.tasks.next();
    client.send(call("sum", 2));
    const called = await worker.tasks.next();
    client.webSocket.close();
    expect((await worker.cancelled.next()).taskId).toBe(called.id);

    const next = await connect(`${one.ws}/ws`);
    next.send(call("sum", 3));
    const last = await worker.tasks.next();
    next.webSocket.terminate();
    expect((await worker.cancelled.next()).taskId).toBe(last.id);
    worker.answer(triggered, "");
    expect(worker.cancelled.unread).toEqual([]);
  });

  test("no answer in time is told, and the worker too", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const worker = await startWorker(other, ["sum"]);
    const client = await connect(`${one.ws}/ws`);
    client.send(call("sum", 1, { timeout: 300 }));
    const task = await worker.tasks.next();
    expect(await client.next()).toMatchObject({
      topic: "#call",
      payload: ["sum"],
      id: 1,
      error: { code: "deadline_exceeded", message: "no answer came in time" },
    });
    expect((await worker.cancelled.next()).taskId).toBe(task.id);
  });

  test("what a lost worker had goes to another; after a part of the answer it is refused", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const lost = await startWorker(other, ["sum"]);
    const client = await connect(`${one.ws}/ws`);
    client.send(call("sum", 1));
    const task = await lost.tasks.next();
    const second = await startWorker(one, ["sum"]);
    lost.close();
    const again = await second.tasks.next();
    expect(again).toMatchObject({ id: task.id, attempt: 2 });
    second.answer(again, "part", true);
    expect(await client.next()).toEqual({ topic: "@call", payload: "part", id: 1, more: true });
    second.close();
    expect(await client.next()).toMatchObject({ topic: "#call", id: 1, error: { code: "unavailable" } });
    await client.join("foo");
  });
});

test("W18, L7: a stopping node refuses the calls that are under way before it closes", async () => {
  const node = await startNode({ vhosts });
  const worker = await startWorker(node, ["sum"]);
  const client = await connect(`${node.ws}/ws`);
  client.send(call("sum", 1));
  await worker.tasks.next();
  const stopped = node.carillon.stop();
  expect(await client.next()).toMatchObject({
    topic: "#call",
    error: { code: "unavailable", message: "this node is stopping" },
  });
  expect((await client.closed).code).toBe(1012);
  await stopped;
});

test("W18: a call does not reach workers of another vhost", async () => {
  const node = await startNode({ vhosts: { ...vhosts, "/shop": {} } });
  await startWorker(node, ["sum"], { headers: { "carillon-vhost": "/shop" } });
  const client = await connect(`${node.ws}/ws`);
  expect(await client.ask(call("sum", 1))).toMatchObject({ topic: "#call", error: { code: "unavailable" } });
});

test("W18: an event is no channel: calls are allowed where only open channels exist", async () => {
  const node = await startNode({ vhosts: { "/": { opened_only: true, anonymous: anyone } } });
  const worker = await startWorker(node, ["sum"]);
  const client = await connect(`${node.ws}/ws`);
  client.send(call("sum", 1));
  worker.answer(await worker.tasks.next(), "2");
  expect(await client.next()).toEqual({ topic: "@call", payload: "2", id: 1 });
});

test("A7: the permission for calls decides, and a fresh token changes it", async () => {
  const node = await startNode({ vhosts: { "/": { jwt } } });
  const worker = await startWorker(node, ["*"]);
  const client = await enter(node, { sub: "eve", permissions: { call: ["sum"] } });
  expect(await client.ask(call("mail", 1))).toMatchObject({ error: { code: "permission_denied" } });
  client.send(call("sum", 2));
  worker.answer(await worker.tasks.next(), "2");
  expect(await client.next()).toMatchObject({ topic: "@call" });
});
