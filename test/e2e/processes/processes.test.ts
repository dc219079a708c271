import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createConnection, createServer } from "node:net";
import { totalmem } from "node:os";
import { join } from "node:path";
import { ignore } from "../../../src/util/ignore.js";
import { until } from "../../support/backends/backend.js";
import { publish } from "../../support/backends/publish.js";
import { cleanUp } from "../../support/clean-up.js";
import { listenTo, openClient, recordSockets } from "../../support/client-library/world.js";
import { connect } from "../../support/clients/native.js";
import { connectStock } from "../../support/clients/socket-io.js";
import { startJetStream } from "../../support/nats/store.js";
import { metric } from "../../support/nodes/metrics.js";
import { type RunningNode, runCarillon, startCarillon } from "../../support/nodes/process.js";
import { listNodeProcesses, replaceNodeProcess, startProcesses } from "../../support/nodes/processes.js";
import { temporaryFile, temporaryFolder } from "../../support/temporary-files.js";

const HISTORY = 'vhosts: { /: { history: { all: {} }, topics: [{ match: "room", history: all }] } }\n';
const CLIENTS = 8;

/** Milliseconds after which a request that a killed process may have taken is made again. */
const REQUEST_LIMIT = 10_000;
const impatient = (): AbortSignal => AbortSignal.timeout(REQUEST_LIMIT);

/** Returns the status and text of /readyz; nothing when no process answers. */
async function readiness({ http }: RunningNode): Promise<string> {
  return fetch(`${http}/readyz`, { signal: impatient() })
    .then(async (response) => `${response.status} ${await response.text()}`)
    .catch(() => "");
}

/** Resolves when the figure of all processes together is this. */
async function becomes(node: RunningNode, line: string, figure: number): Promise<void> {
  await until(
    () => metric(node, line),
    (shown) => shown === figure,
  );
}

/** Returns how many processes have a node. */
async function countProcesses({ http }: RunningNode): Promise<number> {
  const text = await fetch(`${http}/metrics`, { signal: impatient() })
    .then((response) => response.text())
    .catch(() => "");
  return text.match(/^carillon_build_info/gm)?.length ?? 0;
}

/** Resolves when both processes of a node answer. */
async function hasBothProcesses(node: RunningNode): Promise<void> {
  await until(
    () => countProcesses(node),
    (count) => count === 2,
  );
}

/** Publishes numbers as backends do: again with the same id when the answer is lost. */
async function publishNumber(node: RunningNode, data: number): Promise<void> {
  for (;;) {
    const message = { topics: ["room"], id: `n${data}`, payload: String(data) };
    const status = await publish(node, [message], "Publish", {}, impatient()).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 200) return;
  }
}

test("loses nothing of a topic with history when a process is killed under load, and replaces it", async () => {
  const { node } = await startProcesses(2, HISTORY);
  const { webSocket } = recordSockets();
  const clients = Array.from({ length: CLIENTS }, () => openClient({ url: `${node.ws}/ws`, webSocket }));
  const heard = clients.map((client) => listenTo(client.topic<number>("room")));
  for (const { outcomes } of heard) expect(await outcomes.next()).toMatchObject({ reason: "first" });
  let count = 0;
  const publishSome = async (): Promise<void> => {
    for (let step = 0; step < 20; step += 1) await publishNumber(node, (count += 1));
  };
  const [pid = 0, ...others] = await listNodeProcesses(node);
  expect(others).toHaveLength(1);
  await publishSome();
  const publishing = publishSome();
  await replaceNodeProcess(node, pid);
  await publishing;
  await hasBothProcesses(node);
  await publishSome();
  const all = Array.from({ length: count }, (_, index) => index + 1);
  for (const { next } of heard) expect(await next(count)).toEqual(all);
  for (const client of clients) client.close();
  await becomes(node, "carillon_process_restarts_total", 1);
  expect(node.log.filter(({ msg }) => String(msg).startsWith("a process ended unexpectedly"))).toMatchObject([
    { process: expect.any(Number), signal: "SIGKILL", delay: 0 },
  ]);
});

test("has one readiness and the metrics of all processes together", async () => {
  const { nats, node } = await startProcesses(2);
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect(`${node.ws}/ws`)));
  for (const client of clients) await client.join("foo");
  await becomes(node, "carillon_connections", CLIENTS);
  await publish(node, [{ topics: ["foo"], payload: "hi" }]);
  for (const client of clients) expect(await client.next()).toMatchObject({ payload: "hi" });
  await becomes(node, "carillon_messages_out_total", CLIENTS);
  await becomes(node, 'carillon_broker_up{broker="nats"}', 1);
  await hasBothProcesses(node);
  // Clients of both processes hear each other's messages, so both have some.
  await becomes(node, "carillon_topics", 2);
  await nats.kill();
  const away =
    "503 0 of 2 processes are ready, at least 1 must be\nbroker nats is not connected\nthe store is unavailable\n";
  await until(
    () => readiness(node),
    (text) => text === away,
  );
});

test("replaces a process that no longer answers, and counts it", async () => {
  const { node } = await startProcesses(2);
  const [pid = 0] = await listNodeProcesses(node);
  process.kill(pid, "SIGSTOP");
  expect(await node.logged("a process does not answer, ending it")).toMatchObject({ process: expect.any(Number) });
  await hasBothProcesses(node);
  expect(await listNodeProcesses(node)).not.toContain(pid);
  await becomes(node, "carillon_process_restarts_total", 1);
});

test("keeps counters when processes are replaced", async () => {
  const { node } = await startProcesses(2);
  const counter = 'carillon_messages_in_total{source="backend"}';
  for (let message = 0; message < 5; message += 1) await publish(node, [{ topics: ["foo"], payload: "hi" }]);
  const count = (): Promise<number> => metric(node, counter).catch(() => -1);
  await until(count, (found) => found === 5);
  for (const pid of await listNodeProcesses(node)) process.kill(pid, "SIGKILL");
  await hasBothProcesses(node);
  expect(await count()).toBe(5);
  await publish(node, [{ topics: ["foo"], payload: "hi" }]);
  await until(count, (found) => found === 6);
});

test("serves on the same ports again when all processes are killed at once", async () => {
  const { node } = await startProcesses(2);
  const killed: number[] = [];
  // The second time all of them wait before they are started again.
  for (let round = 0; round < 2; round += 1) {
    const pids = await listNodeProcesses(node);
    for (const pid of pids) process.kill(pid, "SIGKILL");
    killed.push(...pids);
    await hasBothProcesses(node);
  }
  const pids = await listNodeProcesses(node);
  expect(pids.filter((pid) => killed.includes(pid))).toEqual([]);
  await (await connect(`${node.ws}/ws`)).join("foo");
  // On a busy machine a process may be replaced once more.
  await until(
    () => metric(node, "carillon_process_restarts_total"),
    (restarts) => restarts >= 4,
  );
  await until(
    () => readiness(node),
    (text) => text.startsWith("200 "),
  );
});

test("closes connections that were handed to processes which had ended", async () => {
  const { node } = await startProcesses(2);
  const pids = await listNodeProcesses(node);
  // The main process sees the connections before it sees that the others have ended.
  node.child.kill("SIGSTOP");
  const ports = [new URL(node.http).port, new URL(`http://${node.grpc}`).port];
  const sockets = ports.flatMap((port) => Array.from({ length: 4 }, () => createConnection(Number(port), "127.0.0.1")));
  cleanUp(() => {
    for (const socket of sockets) socket.destroy();
  });
  const closed = sockets.map(
    (socket) =>
      new Promise((resolve) => {
        socket.on("error", ignore).on("close", resolve).resume();
      }),
  );
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  for (const pid of pids) process.kill(pid, "SIGKILL");
  while ((await listNodeProcesses(node)).length > 0);
  node.child.kill("SIGCONT");
  expect(await Promise.all(closed)).toHaveLength(8);
});

test("drains all processes at SIGTERM, and reloads all of them", async () => {
  const { node, write } = await startProcesses(2);
  write("vhosts: { /shop: {} }\ncompression: true\n");
  expect(await runCarillon(["reload", "--server", node.http])).toMatchObject({
    code: 0,
    stdout: "changed: vhosts./shop\nneeds a restart: compression\n",
  });
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect(`${node.ws}/ws/shop`)));
  write("vhosts: { shop: {} }\n");
  node.child.kill("SIGHUP");
  await node.logged("the reload was refused");
  write("vhosts: { /shop: {}, /other: {} }\n");
  node.child.kill("SIGHUP");
  for (let round = 0; round < 2; round += 1) {
    while ((await refusedOrOpen(`${node.ws}/ws/other`)) !== "open");
  }
  node.child.kill("SIGTERM");
  for (const client of clients) expect(await client.closed).toMatchObject({ code: 1012 });
  expect(await node.exited).toBe(0);
});

async function refusedOrOpen(url: string): Promise<string> {
  return connect(url).then(
    () => "open",
    () => "refused",
  );
}

test.each([["polling"], ["polling", "websocket"]] as const)(
  "I1: Socket.IO clients keep their process: %j",
  async (...transports) => {
    const { node } = await startProcesses(2);
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => connectStock(`${node.http}/`, { transports: [...transports] })),
    );
    for (const client of clients) client.emit("join", { room: "foo" });
    if (transports.length > 1) {
      for (const { socket } of clients) {
        if (socket.io.engine.transport.name !== "websocket") await once(socket.io.engine as never, "upgrade");
      }
    }
    while ((await metric(node, "carillon_connections")) < CLIENTS);
    expect(clients.every(({ socket }) => socket.connected)).toBe(true);
  },
);

test("refuses a broker or store that belongs to one process", async () => {
  expect(await runCarillon(["serve", "--processes", "2"])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /processes: 2: the broker "memory" \(driver memory\) does not connect processes; use NATS .*\n.*processes: 2: the store/,
    ),
  });
  const { url } = await startJetStream();
  const file = temporaryFile("a.yaml", `store: { driver: file, path: /tmp }\nprocesses: auto\n`);
  expect(await runCarillon(["serve", "--broker", url, "--config", file])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("processes: auto: the store (driver file) belongs to one process"),
  });
  expect(await runCarillon(["serve", "--processes", "0"])).toMatchObject({ code: 2 });
});

test("exits with the error of the first process when an address cannot be used", async () => {
  const { url } = await startJetStream();
  const server = createServer().listen(0, "127.0.0.1");
  cleanUp(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const file = temporaryFile("a.yaml", "store: { driver: nats }\nprocesses: 2\n");
  const args = ["serve", "--broker", url, "--config", file, "--http", `127.0.0.1:${port}`, "--grpc", "127.0.0.1:0"];
  const { code, stderr } = await runCarillon(args);
  expect([code, stderr.match(/EADDRINUSE/g)]).toEqual([1, ["EADDRINUSE"]]);
});

test("reloads the other processes while one of them drains", async () => {
  // The process drains until the test ends.
  const drain = "drain: { rate: 1, timeout: 10m }\n";
  const { node, write } = await startProcesses(2, drain);
  await Promise.all(Array.from({ length: 50 * CLIENTS }, () => connect(`${node.ws}/ws`)));
  const [pid = 0] = await listNodeProcesses(node);
  process.kill(pid, "SIGTERM");
  await node.logged("refusing new clients, closing connections");
  write(`${drain}vhosts: { /shop: {} }\n`);
  expect(await runCarillon(["reload", "--server", node.http])).toMatchObject({
    code: 0,
    stdout: "changed: vhosts./shop\n",
  });
  expect(await listNodeProcesses(node)).toContain(pid);
});

test("has the memory of the machine as the limit of all processes together", async () => {
  const { node } = await startProcesses(2);
  expect(await metric(node, "carillon_memory_limit_bytes")).toBeLessThanOrEqual(totalmem());
});

test.each([["that runs"], ["that is frozen, and is killed after 30 s"]])(
  "stops while a process starts: one %s",
  async (kind) => {
    const { url } = await startJetStream();
    const folder = temporaryFolder();
    const yaml = `processes: 2\nbrokers: { nats: { driver: nats, servers: ["${url}"] } }\nstore: { driver: nats }\n`;
    writeFileSync(join(folder, "carillon.yaml"), yaml);
    let child: ChildProcess | undefined;
    const onSpawn = (spawned: ChildProcess): void => {
      child = spawned;
    };
    const started = startCarillon([], { folder, onSpawn });
    let pids: number[] = [];
    while (pids.length < 2) pids = child === undefined ? [] : await listNodeProcesses({ child });
    const [, pid = 0] = pids;
    if (kind !== "that runs") process.kill(pid, "SIGSTOP");
    child?.kill("SIGTERM");
    await expect(started).rejects.toThrow("carillon ended with 0");
  },
);
