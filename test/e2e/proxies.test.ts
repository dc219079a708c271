import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { get, request } from "node:https";
import { findFreePorts } from "../../bench/support/ports.js";
import { BroadcastService } from "../../gen/websockets/v1/websockets_pb.js";
import { BackendClient } from "../../src/outbound/backend/backend-client.js";
import { ignore } from "../../src/util/ignore.js";
import { cleanUp } from "../support/clean-up.js";
import { TestStream } from "../support/clients/event-stream.js";
import { connect, type TestClient } from "../support/clients/native.js";
import { StockClient } from "../support/clients/socket-io.js";
import {
  hostOfNode,
  type NodePorts,
  PROXIES,
  type ProxyName,
  proxyMissing,
  startProxy,
  type TestProxy,
} from "../support/deploy/proxies.js";
import { startNats } from "../support/nats/server.js";
import { type RunningNode, runCarillon, startCarillon } from "../support/nodes/process.js";
import { temporaryFile } from "../support/temporary-files.js";

/** Runs the files of deploy/proxies/, with other addresses, in front of two nodes. The third node does not exist. */

interface World {
  readonly proxy: TestProxy;
  readonly nodes: readonly RunningNode[];
}

/** Clients of a node that stops, of which one is closed each second. */
const CLIENTS = 300;

async function start(name: ProxyName, drain: object): Promise<World> {
  const nats = await startNats();
  const [http = 0, grpc = 0] = await findFreePorts(2);
  const ports: NodePorts = { http, grpc };
  const nodes = await Promise.all(
    [1, 2].map((number) => {
      const host = hostOfNode(number);
      const settings = {
        brokers: { nats: { driver: "nats", servers: [nats.url] } },
        trusted_proxies: ["127.0.0.1"],
        drain,
      };
      const file = temporaryFile("carillon.yaml", JSON.stringify(settings));
      return startCarillon(["--config", file, "--http", `${host}:${http}`, "--grpc", `${host}:${grpc}`]);
    }),
  );
  return { nodes, proxy: await startProxy(name, ports) };
}

/** Connects a client through a proxy. */
function connectBy({ ca, port }: TestProxy, options: object = {}): Promise<TestClient> {
  return connect(`wss://127.0.0.1:${port}/ws`, { ca, ...options });
}

/** Publishes over gRPC through a proxy. */
async function publishBy({ ca, grpcPort }: TestProxy, text: string): Promise<void> {
  const client = new BackendClient({ url: `grpcs://127.0.0.1:${grpcPort}`, key: undefined, vhost: undefined, ca });
  try {
    const message = { topics: ["news"], payload: Buffer.from(text) };
    await client.call(BroadcastService.method.publish, { messages: [message] });
  } finally {
    client.close();
  }
}

async function openStream({ ca, port }: TestProxy): Promise<TestStream> {
  const sent = get(`https://127.0.0.1:${port}/events?topic=news`, { ca, agent: false });
  cleanUp(() => {
    sent.destroy();
  });
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return new TestStream(response);
}

/** Sends a request through a proxy; returns the status and the body. */
async function ask({ ca, port }: TestProxy, path: string, body?: object): Promise<{ status: number; text: string }> {
  const headers = { "content-type": "application/json" };
  const method = body === undefined ? "GET" : "POST";
  const sent = request(`https://127.0.0.1:${port}${path}`, { ca, agent: false, method, headers });
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode ?? 0, text };
}

/** Addresses of a node's clients, as the node sees them. */
async function addressesOf({ http }: RunningNode): Promise<readonly string[]> {
  const { stdout } = await runCarillon(["connections", "--server", http, "--json"]);
  return [...stdout.matchAll(/"address":"([^"]*)"/g)].map(([, address = ""]) => address);
}

/** Number of clients of a node. */
async function clientsOf(node: RunningNode): Promise<number> {
  const text = await (await fetch(`${node.http}/metrics`)).text();
  return Number(/^carillon_connections (\d+)$/m.exec(text)?.[1]);
}

/** Connects clients until 10 in a row are on a node. @returns how many came to another node or were refused */
async function untilMoved(proxy: TestProxy, node: RunningNode): Promise<number> {
  let others = 0;
  for (let inARow = 0; inARow < 10; ) {
    const before = await clientsOf(node);
    await connectBy(proxy).catch(ignore);
    const isThere = (await clientsOf(node)) > before;
    inARow = isThere ? inARow + 1 : 0;
    others += isThere ? 0 : 1;
  }
  return others;
}

for (const name of PROXIES) {
  const missing = proxyMissing(name);
  const group = missing === undefined ? describe : describe.skip;

  group(`${name}${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
    test("passes on WebSockets, gRPC, Connect, event streams and Socket.IO, with the client's address", async () => {
      const { nodes, proxy } = await start(name, {});
      const forged = { localAddress: "127.0.0.7", headers: { "x-forwarded-for": "203.0.113.9" } };
      const clients = [await connectBy(proxy, forged), await connectBy(proxy, forged)];
      for (const client of clients) await client.join("news");
      const stream = await openStream(proxy);
      await stream.begun();

      await publishBy(proxy, "over gRPC");
      for (const client of clients) expect(await client.next()).toMatchObject({ payload: "over gRPC" });
      expect(await stream.next()).toMatchObject({ data: "over gRPC" });
      const path = "/websockets.v1.BroadcastService/Publish";
      const answer = await ask(proxy, path, { messages: [{ topics: ["news"], text: "over Connect" }] });
      expect(answer.status).toBe(200);
      for (const client of clients) expect(await client.next()).toMatchObject({ payload: "over Connect" });
      expect(await stream.next()).toMatchObject({ data: "over Connect" });

      const [first] = nodes;
      if (first === undefined) throw new Error("no node");
      const addresses = await addressesOf(first);
      expect(addresses.filter((address) => address === "127.0.0.7")).toHaveLength(clients.length);
      expect(addresses).not.toContain("203.0.113.9");

      for (const hidden of ["/healthz", "/readyz", "/metrics"])
        expect(await ask(proxy, hidden)).toMatchObject({ status: 404 });
    });

    test("sends all requests of a Socket.IO session with polling to one node", async () => {
      const { proxy } = await start(name, {});
      const url = `https://127.0.0.1:${proxy.port}`;
      const options = { transports: ["polling"], ca: proxy.ca.toString() };
      const polling = [1, 2, 3].map(() => new StockClient(url, options));
      await Promise.all(polling.map((client) => client.connected()));
      for (const client of polling) expect(await client.ask("join", { topics: ["news"] })).toBeDefined();
      await publishBy(proxy, "hello");
      for (const client of polling) expect(await client.heard.next()).toBeDefined();
    });

    test("sends new clients to the other node while a node drains, and keeps those of the node", async () => {
      // nginx notices a draining node when it refuses clients, the others by its readiness.
      const drain = name === "nginx" ? { rate: 1, timeout: "1h" } : { delay: "10m" };
      const { nodes, proxy } = await start(name, drain);
      const [draining, other] = nodes;
      if (draining === undefined || other === undefined) throw new Error("no nodes");
      const clients: TestClient[] = [];
      for (let count = 0; count < CLIENTS; count += 1) clients.push(await connect(`${draining.ws}/ws`));
      const kept = clients.at(-1);
      await kept?.join("news");
      draining.child.kill("SIGTERM");
      await draining.logged(
        name === "nginx" ? "refusing new clients, closing connections" : "stopping; a second signal exits immediately",
      );
      const refused = await untilMoved(proxy, other);
      // nginx has no health checks, and tries the other node within the same request.
      expect(name === "nginx" ? refused : 0).toBe(0);
      await publishBy(proxy, "still here");
      expect(await kept?.next()).toMatchObject({ payload: "still here" });
    });
  });
}
