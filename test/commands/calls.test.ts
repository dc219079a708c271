import { pino } from "pino";
import { createCarillon } from "../../src/index.js";
import { TestBackend, until } from "../support/backends/backend.js";
import { startWorker } from "../support/backends/worker.js";
import { cleanUp } from "../support/clean-up.js";
import { connect } from "../support/clients/native.js";
import { startNode } from "../support/nodes/node.js";
import { enter, jwt, startWorld, type VhostInput, WORLDS } from "./support.js";

const anyone = { permissions: { call: ["*"] } };
const vhosts = { "/": { jwt, client_publish: true, anonymous: anyone } } satisfies Record<string, VhostInput>;

const call = (event: string, id: number, fields: object = {}) => ({ command: "call", topics: [event], id, ...fields });

describe.each(WORLDS)("W18: calls: %s", (kind) => {
  test("tells a worker at another node who calls, and lets it reach that connection", async () => {
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

  test("answers each of many concurrent calls once, with the call's own answer", async () => {
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

  test("cancels calls when the connection ends, and continues triggers", async () => {
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

  test("tells client and worker when no answer arrives in time", async () => {
    const { one, other } = await startWorld(kind, { vhosts });
    const worker = await startWorker(other, ["sum"]);
    const client = await connect(`${one.ws}/ws`);
    client.send(call("sum", 1, { timeout: 3_000 }));
    const task = await worker.tasks.next();
    expect(await client.next()).toMatchObject({
      topic: "#call",
      payload: ["sum"],
      id: 1,
      error: { code: "deadline_exceeded", message: "not answered in time" },
    });
    expect((await worker.cancelled.next()).taskId).toBe(task.id);
  });

  test("reassigns the call of a lost worker, but fails it after a part of the answer", async () => {
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

test("W18, L7: fails pending calls before a stopping node closes connections", async () => {
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

test("W18: never reaches workers of another vhost", async () => {
  const node = await startNode({ vhosts: { ...vhosts, "/shop": {} } });
  await startWorker(node, ["sum"], { headers: { "carillon-vhost": "/shop" } });
  const client = await connect(`${node.ws}/ws`);
  expect(await client.ask(call("sum", 1))).toMatchObject({ topic: "#call", error: { code: "unavailable" } });
});

test("W18: allows calls of any event where only open channels exist, as an event is not a channel", async () => {
  const node = await startNode({ vhosts: { "/": { opened_only: true, anonymous: anyone } } });
  const worker = await startWorker(node, ["sum"]);
  const client = await connect(`${node.ws}/ws`);
  client.send(call("sum", 1));
  worker.answer(await worker.tasks.next(), "2");
  expect(await client.next()).toEqual({ topic: "@call", payload: "2", id: 1 });
});

test("A7: decides on calls by their permission, which a new token changes", async () => {
  const node = await startNode({ vhosts: { "/": { jwt } } });
  const worker = await startWorker(node, ["*"]);
  const client = await enter(node, { sub: "eve", permissions: { call: ["sum"] } });
  expect(await client.ask(call("mail", 1))).toMatchObject({ error: { code: "permission_denied" } });
  client.send(call("sum", 2));
  worker.answer(await worker.tasks.next(), "2");
  expect(await client.next()).toMatchObject({ topic: "@call" });
});

test("W19: logs a failed trigger, also after its client has disconnected", async () => {
  const log: { msg: string; reason?: string }[] = [];
  const logger = pino({}, { write: (line: string) => log.push(JSON.parse(line) as { msg: string }) });
  const carillon = createCarillon({ http: "127.0.0.1:0", grpc: "127.0.0.1:0", vhosts }, logger);
  cleanUp(() => carillon.stop());
  await carillon.start();
  const { grpc = "", http = "" } = carillon.addresses ?? {};
  const worker = await startWorker({ grpc }, ["mail"]);
  const client = await connect(`${http.replace("http", "ws")}/ws`);
  await client.ask({ command: "publish", topics: ["foo"], trigger: "mail", id: 1 });
  const task = await worker.tasks.next();
  client.webSocket.close();
  await client.closed;
  worker.fail(task, "internal", "broken");
  const failure = await until(
    async () =>
      log.find(({ msg }) => msg === "a triggered task failed") ?? (await fetch(`${http}/healthz`)) ?? undefined,
    (found) => "msg" in found,
  );
  expect(failure).toMatchObject({ reason: "broken" });
});

test("W19: refuses a trigger beyond the limit before anything is published", async () => {
  const node = await startNode({ vhosts, limits: { calls_per_connection: 1 } });
  const worker = await startWorker(node, ["*"]);
  const listener = await connect(`${node.ws}/ws`);
  await listener.join("foo");
  const client = await connect(`${node.ws}/ws`);
  client.send(call("sum", 1));
  const task = await worker.tasks.next();
  expect(await client.ask({ command: "publish", topics: ["foo"], payload: "x", trigger: "mail", id: 2 })).toMatchObject(
    {
      topic: "#publish",
      error: { code: "resource_exhausted", message: "this connection has reached its limit of 1 pending tasks" },
    },
  );
  worker.answer(task, "");
  expect(await client.next()).toMatchObject({ topic: "@call" });
  await new TestBackend(node).say("foo", "first");
  expect(await listener.next()).toEqual({ topic: "foo", payload: "first" });
});

test.each(WORLDS)("W19: counts triggers until a worker has them: %s", async (kind) => {
  const { one, other } = await startWorld(kind, { vhosts, limits: { calls_per_connection: 2 } });
  const worker = await startWorker(other, ["mail"], { capacity: 5 });
  const client = await connect(`${one.ws}/ws`);
  const trigger = (id: number) => client.ask({ command: "publish", topics: ["foo"], trigger: "mail", id });
  for (let id = 0; id < 7; id += 1) expect(await trigger(id)).toMatchObject({ topic: "@publish", id });
  const refused = { error: { message: "this connection has reached its limit of 2 pending tasks" } };
  for (let id = 7; id < 9; id += 1) expect(await trigger(id)).toMatchObject(refused);
  worker.answer(await worker.tasks.next(), "");
  // A waiting trigger has reached a worker, which makes room.
  expect(
    await until(
      () => trigger(9),
      ({ topic }) => topic === "@publish",
    ),
  ).toMatchObject({ id: 9 });
  expect(await trigger(10)).toMatchObject(refused);
});

test("K5: gives a trigger its own deadline, and continues it when the calling node stops", async () => {
  const { one, other } = await startWorld("two nodes on NATS", { vhosts, stop_timeout: "1s" });
  const worker = await startWorker(other, ["mail", "sum"]);
  const end = Date.now() + 3_500;
  const response = await fetch(`${one.http}/carillon.v1.CallService/Trigger`, {
    method: "POST",
    headers: { "content-type": "application/json", "connect-timeout-ms": "3000" },
    body: JSON.stringify({ event: "mail", timeout: "60s" }),
  });
  expect(response.status).toBe(200);
  const task = await worker.tasks.next();
  await until(
    () => fetch(`${one.http}/healthz`),
    () => Date.now() > end,
  );
  await one.carillon.stop();
  // Sentinel: earlier messages to this node arrive before this call.
  const client = await connect(`${other.ws}/ws`);
  client.send(call("sum", 1));
  await worker.tasks.next();
  expect(worker.cancelled.unread).toEqual([]);
  worker.answer(task, "");
});
