import { createHmac } from "node:crypto";
import { readHistory } from "../../client/src/history.js";
import { say } from "../support/backends/publish.js";
import { QUIET } from "../support/client-library/double.js";
import {
  advanceToAttempt,
  CLIENT_CONFIG,
  listenTo,
  openClient,
  reaches,
  recordSockets,
  startNodeWorld,
} from "../support/client-library/world.js";
import { ManualClock } from "../support/manual-clock.js";
import { startNatsNode } from "../support/nats/node.js";
import { startJetStream } from "../support/nats/store.js";
import { startTcpProxy } from "../support/net/tcp-proxy.js";
import type { TestNode } from "../support/nodes/node.js";

const SECRET = "0123456789abcdef".repeat(4);

function portOf(node: TestNode): number {
  return Number(new URL(node.http).port);
}

/** Texts of the numbers from `first` to `last`. */
function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

test.each([
  ["10 s", 10_000, 4],
  ["a minute", 60_000, 7],
])("recovers after %s without a server, with few attempts", async (_title, duration, most) => {
  const world = await startNodeWorld();
  const clock = new ManualClock();
  const { sockets, webSocket } = recordSockets(world.webSocket);
  const client = openClient({ ...world, webSocket }, { clock, ...QUIET });
  const { next, outcomes } = listenTo(client.topic<number>("room"));
  await outcomes.next();
  await world.publish("room", "1");
  expect(await next()).toEqual([1]);
  world.shut();
  let state = await reaches(client, "waiting");
  for (const data of range(2, 10)) await world.publish("room", String(data));
  const end = clock.now() + duration;
  while (state.status === "waiting" && state.nextAttempt < end) {
    clock.advance(state.nextAttempt - clock.now());
    state = await reaches(client, "waiting");
  }
  expect(sockets.length).toBeLessThanOrEqual(1 + most);
  world.open();
  advanceToAttempt(client, clock);
  expect(await outcomes.next()).toMatchObject({ recovered: true });
  await world.publish("room", "11");
  expect(await next(10)).toEqual(range(2, 11));
});

test("receives everything once and in order through a rolling restart of two nodes on NATS", async () => {
  const { url } = await startJetStream();
  const config = {
    vhosts: { "/": { client_publish: true, history: { chat: {} }, topics: [{ match: "room", history: "chat" }] } },
  };
  const startOne = (): Promise<TestNode> => startNatsNode(url, {}, config);
  let [current, other] = await Promise.all([startOne(), startOne()]);
  const proxy = await startTcpProxy(portOf(current));
  const { webSocket } = recordSockets();
  const world = { url: `ws://127.0.0.1:${proxy.port}/ws`, webSocket };
  const clients = Array.from({ length: 5 }, () => openClient(world, { offline: "queue" }));
  const heard = clients.map((client) => listenTo(client.topic<number>("room")));
  for (const { outcomes } of heard) expect(await outcomes.next()).toMatchObject({ reason: "first" });
  const [publisher] = clients;
  let count = 0;
  for (let restart = 0; restart < 4; restart += 1) {
    const publishing = Promise.all(range(1, 20).map((step) => publisher?.topic("room").publish(count + step)));
    proxy.route(portOf(other));
    // L7: closes its clients with 1012 when it has sent what was published.
    await current.carillon.stop();
    await publishing;
    await say(other, "room", String(count + 21));
    count += 21;
    const outcomes = await Promise.all(heard.map((each) => each.outcomes.next()));
    expect(outcomes.map(({ recovered }) => recovered)).toEqual(clients.map(() => true));
    [current, other] = [other, await startOne()];
  }
  for (const { next } of heard) expect(await next(count)).toEqual(range(1, count));
});

test("W27: publishes once what it sends again after a lost answer", async () => {
  const world = await startNodeWorld();
  const clock = new ManualClock();
  const { count, webSocket } = recordSockets(world.webSocket);
  const client = openClient({ ...world, webSocket }, { clock, offline: "queue", ...QUIET });
  client.connect();
  await reaches(client, "connected");
  world.loseAnswers();
  const observer = listenTo(openClient(world).topic("room"));
  await observer.outcomes.next();
  const published = client.topic("room").publish("once");
  // The node has it, and its answer is lost.
  expect(await observer.next()).toEqual(["once"]);
  world.shut();
  await reaches(client, "waiting");
  world.open();
  advanceToAttempt(client, clock);
  await published;
  expect(count("publish")).toBe(2);
  await world.publish("room", '"sentinel"');
  expect(await observer.next()).toEqual(["sentinel"]);
});

test("fails a publish that is not queued when its answer is lost", async () => {
  const world = await startNodeWorld();
  const client = openClient(world, { ...QUIET, clock: new ManualClock() });
  client.connect();
  await reaches(client, "connected");
  world.loseAnswers();
  const observer = listenTo(openClient(world).topic("plain"));
  await observer.outcomes.next();
  const published = client.topic("plain").publish("once");
  expect(await observer.next()).toEqual(["once"]);
  world.shut();
  await expect(published).rejects.toMatchObject({ code: "unavailable" });
});

test("L3: fails only the publish that is too large, and recovers", async () => {
  const world = await startNodeWorld();
  const clock = new ManualClock();
  const client = openClient(world, { clock, offline: "queue", ...QUIET });
  const { next, outcomes } = listenTo(client.topic("room"));
  await outcomes.next();
  await expect(client.topic("room").publish("x".repeat(2 << 20))).rejects.toMatchObject({
    code: "resource_exhausted",
  });
  const small = client.topic("room").publish("small");
  advanceToAttempt(client, clock);
  await small;
  expect(await next()).toEqual(["small"]);
});

/** A node whose clients need a token, and a client that sleeps while its first one expires. */
async function fallAsleep(fate: "closed" | "dead") {
  const config = {
    vhosts: {
      "/": { ...CLIENT_CONFIG.vhosts["/"], jwt: { secret: SECRET, leeway: "0s" }, anonymous: { connect: false } },
    },
  };
  const world = await startNodeWorld(config);
  const clock = new ManualClock();
  const tokens: string[] = [];
  let isJoined = false;
  const token = (): string => {
    // Longer with each token, so that on a slow machine one of them lasts until the join.
    const lifetime = fate === "closed" && !isJoined ? 2 ** tokens.length : 3_600;
    const now = Math.floor(Date.now() / 1_000);
    tokens.push(signed({ sub: "eve", iat: now, exp: now + lifetime }));
    return tokens.at(-1) ?? "";
  };
  const { sockets, webSocket } = recordSockets(world.webSocket);
  const client = openClient({ ...world, webSocket }, { clock, token, ...QUIET });
  client.on("state", () => queueMicrotask(() => isJoined || advanceToAttempt(client, clock)));
  const { next, outcomes } = listenTo(client.topic<number>("room"));
  await outcomes.next();
  isJoined = true;
  tokens.length = 0;
  return { client, clock, next, outcomes, sockets, tokens, world };
}

describe("a token that expires", () => {
  test("A5: connects with a fresh one when the server has closed the connection during sleep", async () => {
    const { client, clock, next, outcomes, tokens, world } = await fallAsleep("closed");
    expect(await reaches(client, "waiting")).toMatchObject({ reason: { code: 4401 } });
    await world.publish("room", "1");
    clock.sleep(3_600_000);
    expect(await outcomes.next()).toMatchObject({ recovered: true });
    expect(await next()).toEqual([1]);
    expect(tokens).toHaveLength(1);
  });

  test("connects with a fresh one when the connection has died without a close during sleep", async () => {
    const { client, clock, next, outcomes, sockets, tokens, world } = await fallAsleep("dead");
    world.mute();
    await world.publish("room", "1");
    clock.sleep(3_600_000);
    // The wake-up asks for a token, and probes. The probe gets no answer.
    await Promise.resolve();
    expect(tokens).toHaveLength(1);
    expect(client.state.status).toBe("connected");
    clock.advance(5_000);
    expect(client.state).toMatchObject({ status: "waiting", reason: { message: "no pong in time" } });
    clock.advance(500);
    expect(await outcomes.next()).toMatchObject({ recovered: true });
    expect(await next()).toEqual([1]);
    expect(sockets).toHaveLength(2);
    expect(tokens).toHaveLength(2);
  });
});

test("H3: says that messages are missing, and reads those that are left", async () => {
  const world = await startNodeWorld();
  const client = openClient(world);
  const topic = client.topic<number>("room");
  const { outcomes } = listenTo(topic);
  await outcomes.next();
  world.shut();
  await reaches(client, "waiting");
  for (const data of range(1, 30)) await world.publish("room", String(data));
  world.open();
  expect(await outcomes.next()).toMatchObject({ recovered: false, reason: "expired" });
  const { messages } = await readHistory(topic, { limit: 5 });
  expect(messages.map(({ data }) => data)).toEqual(range(26, 30));
});

function signed(claims: object): string {
  const [header, body] = [{ alg: "HS256", typ: "JWT" }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  const text = `${header}.${body}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}
