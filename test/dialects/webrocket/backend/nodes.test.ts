import { startWorker } from "../../../support/backends/worker.js";
import { connect, type TestClient } from "../../../support/clients/native.js";
import { startCluster } from "../../../support/nodes/access-cluster.js";
import type { TestNode } from "../../../support/nodes/node.js";
import { Queue } from "../../../support/queue.js";
import { HEARTBEAT, identityOf, packet, request, TestPeer } from "./support.js";

const COOKIE = "a cookie of the operators";

/** A complete node, used through WebRocket's ports. */
class Node {
  readonly node: TestNode;
  readonly backend: { readonly port: number };
  readonly #admin: string;

  constructor(node: TestNode) {
    const { webrocketAdmin = "", webrocketBackend = "" } = node.carillon.addresses ?? {};
    this.node = node;
    this.backend = { port: Number(webrocketBackend.split(":")[1]) };
    this.#admin = webrocketAdmin;
  }

  async admin<Body>(method: string, path: string): Promise<Body> {
    const headers = { "X-WebRocket-Cookie": COOKIE };
    const response = await fetch(this.#admin + path, { method, headers, redirect: "manual" });
    if (response.status >= 400) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Body;
  }

  /** Polls until the condition holds, because other nodes learn of changes within a second. */
  async adminUntil<Body>(path: string, isSo: (body: Body) => boolean): Promise<Body> {
    for (;;) {
      const body = await this.admin<Body>("GET", path);
      if (isSo(body)) return body;
    }
  }

  /** Connects a client of the frontend. */
  async client(vhost: string): Promise<TestClient> {
    const client = await connect(`${this.node.ws}/webrocket${vhost}`);
    await client.nextText();
    return client;
  }
}

interface Vhosts {
  readonly vhosts: readonly { readonly path: string; readonly accessToken: string }[];
}

async function startNodes(count: number): Promise<readonly Node[]> {
  const cluster = await startCluster({
    // A burst of triggers may be faster than its distribution.
    limits: { calls_per_connection: 1_000 },
    webrocket: { backend: "127.0.0.1:0", admin: { listen: "127.0.0.1:0", cookie: COOKIE } },
  });
  const nodes: Node[] = [];
  while (nodes.length < count) nodes.push(new Node(await cluster.startNode()));
  return nodes;
}

/** Creates a vhost on the first node. @returns its token, when all nodes know it */
async function makeVhost([first, ...others]: readonly Node[], path: string): Promise<string> {
  const { vhost } = (await first?.admin<{ readonly vhost: Vhosts["vhosts"][number] }>("POST", path)) ?? {};
  const isThere = ({ vhosts }: Vhosts) => vhosts.some((known) => known.accessToken === vhost?.accessToken);
  for (const node of others) await node.adminUntil<Vhosts>("/", isThere);
  return vhost?.accessToken ?? "";
}

/** Connects a worker that sends heartbeats until it gets a task. */
async function ready(node: Node, token: string): Promise<TestPeer> {
  const before = await workersOf(node);
  const peer = await TestPeer.connect(node.backend);
  const onBeat = (text: string): void => {
    if (text.includes("TR\n")) peer.socket.off("data", onBeat);
    else peer.say(HEARTBEAT);
  };
  peer.socket.on("data", onBeat);
  peer.say(packet(identityOf("dlr", "/made", token), "RD"));
  while ((await workersOf(node)).length === before.length);
  return peer;
}

interface Workers {
  readonly workers: readonly { readonly node: string; readonly answers: boolean }[];
}

async function workersOf(node: Node): Promise<Workers["workers"]> {
  return (await node.admin<Workers>("GET", "/made/workers")).workers;
}

test("X6, X20: distributes a burst of triggers to the workers of both nodes, and refuses none", async () => {
  const nodes = await startNodes(2);
  const [one, two] = nodes as readonly [Node, Node];
  const token = await makeVhost(nodes, "/made");
  const answer = await request(one.backend, ["AT", "ann", ".*"], identityOf("req", "/made", token));
  const ann = await two.client("/made");
  ann.send({ auth: { token: answer.split("\n")[1] ?? "" } });
  expect(await ann.nextText()).toBe('{":authenticated":{}}');
  const workers = [await ready(one, token), await ready(two, token)];
  for (let number = 0; number < 300; number += 1) ann.send({ trigger: { event: "chat/log", data: { number } } });
  const tasks = new Queue<{ readonly worker: number; readonly packet: readonly string[] }>();
  for (const [worker, peer] of workers.entries()) {
    void (async () => {
      for (;;) {
        tasks.push({ worker, packet: await peer.next() });
        // A worker without heartbeats is dropped after some seconds.
        peer.say(HEARTBEAT);
      }
    })();
  }
  const numbers: number[] = [];
  const busy = new Set<number>();
  while (numbers.length < 300) {
    const { packet: received, worker } = await tasks.next();
    const [command, task = "{}"] = received;
    const { "chat/log": data } = JSON.parse(task) as { readonly "chat/log"?: { readonly number: number } };
    expect(command).toBe("TR");
    numbers.push(data?.number ?? -1);
    busy.add(worker);
  }
  expect(busy.size).toBe(2);
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, number) => number));
  // No trigger was refused: this answer would come after a refusal.
  ann.send({ subscribe: {} });
  expect(await ann.nextText()).toBe('{":error":{"code":400,"status":"Bad request"}}');
});

test("X14 to X22: serves a vhost created on one node on the other, with its channels, tokens and workers", async () => {
  const nodes = await startNodes(2);
  const [one, two] = nodes as readonly [Node, Node];
  const token = await makeVhost(nodes, "/made");
  const client = identityOf("req", "/made", token);

  expect(await request(one.backend, ["OC", "private-room"], client)).toBe("OK\n\n\r\n\r\n");
  await two.adminUntil<{ readonly channels: readonly unknown[] }>(
    "/made/channels",
    ({ channels }) => channels.length === 1,
  );
  const answer = await request(one.backend, ["AT", "ann", "private-.*"], client);
  const access = answer.split("\n")[1] ?? "";

  const ann = await two.client("/made");
  ann.send({ auth: { token: access } });
  expect(await ann.nextText()).toBe('{":authenticated":{}}');
  ann.send({ subscribe: { channel: "private-room" } });
  expect(await ann.nextText()).toBe('{":subscribed":{"channel":"private-room","uid":"ann"}}');
  // The token is single-use in the whole cluster.
  const again = await one.client("/made");
  again.send({ auth: { token: access } });
  expect(await again.nextText()).toBe('{":error":{"code":402,"status":"Unauthorized"}}');

  // Subscribers are counted on all nodes.
  const shown = await one.admin<{ readonly channel: object }>("GET", "/made/channels/private-room");
  expect(shown).toMatchObject({ channel: { name: "private-room", subscribers: { size: 1 } } });
  expect(await one.admin("GET", "/made")).toMatchObject({ vhost: { channels: { size: 1 } } });

  expect(await request(one.backend, ["BC", "private-room", "said", '{"a":1}'], client)).toBe("OK\n\n\r\n\r\n");
  expect(await ann.nextText()).toBe('{"said":{"a":1,"channel":"private-room"}}');

  const workers = [await ready(one, token), await ready(two, token)];
  ann.send({ trigger: { event: "chat/log", data: { a: 2 } } });
  const given = workers.map(async (worker) => ({ worker, packet: await worker.next() }));
  const had = await Promise.race(given);
  const [command, task = ""] = had.packet;
  expect([command, JSON.parse(task)]).toEqual(["TR", { "chat/log": { a: 2, sid: expect.any(String) } }]);
  // The worker has sent no heartbeat since, so its task is reassigned to the other node's worker.
  had.worker.socket.destroy();
  for (const { packet: told } of await Promise.all(given)) expect(told).toEqual(["TR", task]);

  await startWorker(one.node, ["*"], { headers: { "carillon-vhost": "/made" } });
  expect((await workersOf(two)).filter(({ answers }) => answers)).toHaveLength(1);

  // A replaced token changes on all nodes.
  await one.admin("PUT", "/made/token");
  await two.adminUntil<Vhosts>("/", ({ vhosts }) => vhosts.every(({ accessToken }) => accessToken !== token));
  expect(await request(two.backend, ["OC", "other"], client)).toBe("ER\n402\n\r\n\r\n");
});
