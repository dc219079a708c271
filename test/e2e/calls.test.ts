import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PresenceService } from "../../gen/carillon/v1/presence_pb.js";
import {
  type ConfigInput,
  createWorker,
  type Worker,
  type WorkerHandler,
  type WorkerOptions,
} from "../../src/index.js";
import { TestBackend } from "../support/backends/backend.js";
import { cleanUp } from "../support/clean-up.js";
import { connect, type TestClient } from "../support/clients/native.js";
import { startTwoNatsNodes } from "../support/nats/node.js";
import { startNats } from "../support/nats/server.js";
import { TestAuthority } from "../support/net/certificates.js";
import { startNode, type TestNode } from "../support/nodes/node.js";
import { runSource } from "../support/nodes/source-process.js";
import { Queue } from "../support/queue.js";

/** Calls of browsers and answers of workers, on real nodes. */

const TASKS = 100;

const CONFIG: ConfigInput = {
  vhosts: { "/": { anonymous: { permissions: { call: ["*"] } }, topics: [{ match: "room", presence: true }] } },
};

async function startTwo(): Promise<readonly [TestNode, TestNode]> {
  const { url } = await startNats();
  return startTwoNatsNodes(url, CONFIG);
}

async function startWorker({ grpc }: TestNode, handlers: Readonly<Record<string, WorkerHandler>>): Promise<Worker> {
  const worker = createWorker({ url: `grpc://${grpc}`, capacity: TASKS, onError: () => {} });
  cleanUp(() => worker.stop({ timeout: 0 }));
  for (const [pattern, handler] of Object.entries(handlers)) worker.on(pattern, handler);
  await worker.start();
  return worker;
}

/** Makes 100 calls and returns the answers in the order of calls. */
async function callAll(client: TestClient): Promise<string[]> {
  for (let id = 0; id < TASKS; id += 1) client.send({ command: "call", topics: ["work"], payload: `task ${id}`, id });
  const answers: string[] = [];
  for (let n = 0; n < TASKS; n += 1) {
    const { error, id, payload } = await client.next();
    answers[Number(id)] = error?.code ?? String(payload);
  }
  return answers;
}

test("K2, W18: answers a browser's 100 calls by another worker, or refuses them, when their worker is killed", async () => {
  const [first, second] = await startTwo();
  const program = join(__dirname, "programs/worker.ts");
  const killed = runSource(program, [first.grpc, String(TASKS), "stuck"]);
  await killed.printed(/^ready$/);
  const client = await connect(`${second.ws}/ws`);
  const answered = callAll(client);
  await killed.printed(/^took 100$/);
  const other = await startWorker(second, {
    work: (task, answer) => answer(`${task.text()} at attempt ${task.attempt}`),
  });
  killed.child.kill("SIGKILL");
  expect(await answered).toEqual(Array.from({ length: TASKS }, (_, at) => `task ${at} at attempt 2`));

  await other.stop();
  const last = runSource(program, [first.grpc, String(TASKS), "stuck"]);
  await last.printed(/^ready$/);
  const refused = callAll(client);
  await last.printed(/^took 100$/);
  last.child.kill("SIGKILL");
  expect(await refused).toEqual(Array.from({ length: TASKS }, () => "unavailable"));
});

test("K4, W18: carries parts, refusals, the caller's identity and cancellations between nodes", async () => {
  const [first, second] = await startTwo();
  const aborted = new Queue<unknown>();
  const taken = new Queue<string>();
  await startWorker(second, {
    parts: async (task, answer) => {
      await answer.part("one");
      answer(task.connectionId);
    },
    slow: async ({ connectionId, signal }) => {
      taken.push(connectionId);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      aborted.push(signal.reason);
    },
    broken: () => Promise.reject(new Error("not for others")),
  });
  const client = await connect(`${first.ws}/ws`);
  client.send({ command: "call", topics: ["parts"], payload: "", id: 1 });
  expect(await client.next()).toEqual({ topic: "@call", payload: "one", id: 1, more: true });
  const { payload: connection } = await client.next();
  expect(await client.ask({ command: "call", topics: ["broken"], payload: "", id: 2 })).toMatchObject({
    topic: "#call",
    error: { code: "internal", message: "the worker failed" },
  });
  client.send({ command: "call", topics: ["slow"], payload: "", id: 3 });
  expect(await taken.next()).toBe(connection);
  client.webSocket.close();
  expect(await aborted.next()).toMatchObject({ code: "cancelled" });
});

test("K7: reports members of a topic at one node to a backend at the other, and their leaves", async () => {
  const [first, second] = await startTwo();
  const client = await connect(`${first.ws}/ws`);
  await client.join("room");
  const backend = new TestBackend(second);
  const watch = backend.open(PresenceService.method.watchPresence, { topic: "room" });
  const joined: string[] = [];
  while (joined.length === 0) {
    const { value } = await watch.next();
    joined.push(...(value?.joined.map(({ connectionId }: { readonly connectionId: string }) => connectionId) ?? []));
  }
  const { count, members } = await backend.call(PresenceService.method.getPresence, { topic: "room" });
  expect([count, members.map(({ connectionId }) => connectionId)]).toEqual([1n, joined]);
  client.webSocket.close();
  expect((await watch.next()).value).toMatchObject({ left: joined, count: 0n });
  await watch.return(undefined);
});

test("K6: admits a worker with a client certificate over TLS, and refuses one without", async () => {
  const authority = await TestAuthority.create();
  const server = await authority.issue("127.0.0.1");
  const { grpc } = await startNode({
    tls: { cert_file: server.certFile, key_file: server.keyFile },
    client_certificates: { ca_file: authority.caFile },
    vhosts: { "/": { certificates: [{ subject: "CN=worker,O=Acme", actions: ["work"] }] } },
  });
  const start = async (tls: WorkerOptions["tls"] = {}): Promise<void> => {
    const worker = createWorker({ url: `grpcs://${grpc}`, tls, onError: () => {} });
    cleanUp(() => worker.stop());
    await worker.on("a", () => {}).start();
  };
  const [ca, own] = [readFileSync(authority.caFile), await authority.issueTo("O=Acme, CN=worker")];
  await expect(start({ ca })).rejects.toMatchObject({ code: "unauthenticated" });
  await expect(
    start({ ca, cert: readFileSync(own.certFile, "utf8"), key: readFileSync(own.keyFile) }),
  ).resolves.toBeUndefined();
});

test("L7: waits for pending calls when the node stops, and refuses new ones", async () => {
  const [first, second] = await startTwo();
  const running = new Queue<() => void>();
  await startWorker(second, {
    slow: async (_task, answer) => {
      await new Promise<void>((resolve) => running.push(resolve));
      answer("done");
    },
  });
  const client = await connect(`${first.ws}/ws`);
  client.send({ command: "call", topics: ["slow"], payload: "", id: 1 });
  const end = await running.next();
  const stopped = first.carillon.stop();
  expect(await client.ask({ command: "call", topics: ["slow"], payload: "", id: 2 })).toMatchObject({
    topic: "#call",
    error: { code: "unavailable", message: "this node is stopping" },
    id: 2,
  });
  end();
  expect(await client.next()).toEqual({ topic: "@call", payload: "done", id: 1 });
  expect((await client.closed).code).toBe(1012);
  await stopped;
});
