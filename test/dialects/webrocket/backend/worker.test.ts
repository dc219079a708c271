import { setImmediate as nextTurn } from "node:timers/promises";
import { ManualClock } from "../../../support/manual-clock.js";
import {
  registerWorker,
  startLocalDispatch,
  startTask,
  type TestDispatch,
  type TestTask,
} from "../../../workers/support.js";
import {
  createStore,
  createWorld,
  HEARTBEAT,
  identityOf,
  packet,
  renewAccessToken,
  request,
  startBackend,
  type TestBackend,
  TestPeer,
  UUID,
  until,
} from "./support.js";

const WORKER = identityOf("dlr");
const QUIT = "QT\n\r\n\r\n";

interface Node {
  readonly clock: ManualClock;
  readonly node: TestDispatch;
  readonly backend: TestBackend;
  readonly faults: readonly unknown[];
}

/** Starts the backends' port with a clock that the test moves. */
async function start(): Promise<Node> {
  const node = await startLocalDispatch();
  const world = await createWorld(undefined, createStore(), node);
  const clock = new ManualClock();
  return { clock, node, backend: await startBackend(world, { clock }), faults: world.faults };
}

/** Connects a worker, and waits until it is ready. */
async function startWorker({ backend, node }: Node): Promise<TestPeer> {
  const before = node.dispatch.workers;
  const peer = await TestPeer.connect(backend);
  peer.say(packet(WORKER, "RD"));
  await until(() => node.dispatch.workers > before);
  await welcomed();
  return peer;
}

/** Waits for the turn after which a new worker may get tasks. */
async function welcomed(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await nextTurn();
}

function trigger({ node }: Node, event = "chat/say", payload = '{"a":1}', connectionId = "n.1"): TestTask {
  const fields = { vhost: "/test", wantsAnswer: false, payload: Buffer.from(payload), connectionId };
  return startTask(node.dispatch, event, fields);
}

test("X19: exchanges heartbeats every 500 ms", async () => {
  const node = await start();
  const { clock } = node;
  const peer = await startWorker(node);
  for (let number = 0; number < 10; number += 1) {
    clock.advance(499);
    expect(peer.packets.unread).toEqual([]);
    clock.advance(1);
    expect(await peer.packets.next()).toEqual(["HB", ""]);
    await beat(node, peer);
  }
  expect(node.node.dispatch.workers).toBe(1);
});

/** Sends a heartbeat, and waits until it has been read: a request on another connection is answered after it. */
async function beat({ backend }: Node, peer: TestPeer): Promise<void> {
  peer.say(HEARTBEAT);
  expect(await request(backend, ["CC", "none"])).toBe("ER\n454\n\r\n\r\n");
}

/** Has the worker complete a task. */
async function done(node: Node, peer: TestPeer): Promise<void> {
  const { outcome } = trigger(node, "known");
  expect((await peer.next())[0]).toBe("TR");
  node.clock.advance(500);
  peer.say(HEARTBEAT);
  await outcome;
}

test("X20: sends a trigger with its caller, and counts it as done at the first heartbeat after an interval", async () => {
  const node = await start();
  const peer = await startWorker(node);
  const triggered = trigger(node);
  expect(await peer.next()).toEqual(["TR", '{"chat/say":{"a":1,"sid":"n.1"}}']);
  await triggered.taken;
  // A heartbeat this early may have been sent before the task arrived.
  await beat(node, peer);
  node.clock.advance(499);
  await beat(node, peer);
  expect([triggered.ends(), node.node.dispatch.working]).toEqual([0, 1]);
  node.clock.advance(1);
  peer.say(HEARTBEAT);
  expect(await triggered.outcome).toEqual({ parts: [""] });
  expect(node.node.dispatch.working).toBe(0);
});

test("X21: gets neither calls nor triggers of other vhosts", async () => {
  const node = await start();
  const peer = await startWorker(node);
  const { dispatch } = node.node;
  expect(await startTask(dispatch, "a", { vhost: "/test" }).outcome).toMatchObject({ code: "unavailable" });
  expect(await startTask(dispatch, "a", { wantsAnswer: false }).outcome).toMatchObject({ code: "unavailable" });
  await done(node, peer);
});

test("X20: distributes triggers to all workers of the vhost, gRPC's included", async () => {
  const node = await start();
  const peers = [await startWorker(node), await startWorker(node)];
  const other = await registerWorker(node.node, ["*"], { vhost: "/test", capacity: 3 });
  await welcomed();
  const triggered = Array.from({ length: 9 }, () => trigger(node));
  for (let round = 0; round < 3; round += 1) {
    for (const peer of peers) expect((await peer.next())[0]).toBe("TR");
    other.registration.answer((await other.assigned.next()).id, Buffer.from("ok"), false);
  }
  node.clock.advance(500);
  for (const peer of peers) peer.say(HEARTBEAT);
  for (const { outcome } of triggered) expect(await outcome).toMatchObject({ parts: [expect.any(String)] });
});

test.each(["dies", "says goodbye", "is silent"])("X20: reassigns the tasks of a worker that %s", async (how) => {
  const node = await start();
  const first = await startWorker(node);
  const triggered = trigger(node);
  await first.next();
  await triggered.taken;
  const second = await startWorker(node);
  if (how === "dies") first.socket.destroy();
  else if (how === "says goodbye") first.say(QUIT);
  else {
    // The second worker keeps sending heartbeats.
    for (let number = 0; number < 2; number += 1) {
      node.clock.advance(500);
      await beat(node, second);
    }
    node.clock.advance(500);
  }
  expect(await second.next()).toEqual(["TR", '{"chat/say":{"a":1,"sid":"n.1"}}']);
  node.clock.advance(500);
  second.say(HEARTBEAT);
  expect(await triggered.outcome).toEqual({ parts: [""] });
  expect(node.node.dispatch.workers).toBe(1);
});

test("X19: considers a worker dead after 1.5 s of silence, and ends the connection at the next heartbeat", async () => {
  const node = await start();
  const { clock } = node;
  const peer = await startWorker(node);
  clock.advance(1_499);
  expect(node.node.dispatch.workers).toBe(1);
  clock.advance(1);
  expect(node.node.dispatch.workers).toBe(0);
  expect(await trigger(node).outcome).toMatchObject({ code: "unavailable" });
  peer.say(HEARTBEAT);
  expect(await peer.next()).toEqual(["QT", ""]);
  await peer.ended;
});

test("X19: lets a worker that was considered dead become ready again", async () => {
  const node = await start();
  const peer = await startWorker(node);
  node.clock.advance(1_500);
  expect(node.node.dispatch.workers).toBe(0);
  peer.say(packet(WORKER, "RD"));
  await until(() => node.node.dispatch.workers === 1);
  await done(node, peer);
});

test("X19, X13: notifies a silent worker, and ends its connection", async () => {
  const node = await start();
  const peer = await startWorker(node);
  node.clock.advance(10_000);
  expect((await peer.ended).endsWith("ER\n400\n\r\n\r\n")).toBe(true);
});

test.each([
  ["bare", HEARTBEAT],
  ["with an identity", packet(WORKER, "HB")],
])("X19: answers QT to a heartbeat on a connection that was never ready, %s", async (_, heartbeat) => {
  const { backend } = await start();
  const peer = await TestPeer.connect(backend);
  peer.say(heartbeat);
  expect(await peer.ended).toBe("QT\n\n\r\n\r\n");
});

test("X14: keeps nothing of an unidentified peer after a bare heartbeat", async () => {
  const { backend } = await start();
  const peer = await TestPeer.connect(backend);
  peer.say("HB\nand an endless frame");
  expect(await peer.ended).toBe("QT\n\n\r\n\r\n");
});

test("X19: ends the connection at QT at once, even before the worker was ready", async () => {
  const node = await start();
  const early = await TestPeer.connect(node.backend);
  early.say(QUIT);
  expect(await early.ended).toBe("");
  const peer = await startWorker(node);
  peer.say(QUIT);
  expect(await peer.ended).toBe("");
  expect(node.node.dispatch.workers).toBe(0);
});

test("X19: counts a second ready as one", async () => {
  const node = await start();
  const peer = await startWorker(node);
  peer.say(packet(WORKER, "RD"));
  await done(node, peer);
  expect(node.node.dispatch.workers).toBe(1);
});

test.each([
  ["a request of a worker", packet(WORKER, "OC", "foo"), 400],
  ["another command", packet(WORKER, "XX"), 400],
  ["somebody else's request", packet(identityOf("req"), "OC", "foo"), 400],
  ["an identity without a token", packet(identityOf("dlr", "/other"), "HB"), 402],
  ["a bare request", "OC\nfoo\n\r\n\r\n", 400],
  ["another worker's name", packet(WORKER.replace(UUID, UUID.replaceAll("9", "8")), "HB"), 400],
  ["a malformed identity", packet(WORKER.slice(1), "HB"), 402],
])("X14: refuses a worker after %s, and reassigns its tasks", async (_, text, code) => {
  const node = await start();
  const peer = await startWorker(node);
  const triggered = trigger(node);
  await peer.next();
  peer.say(text);
  expect(await peer.next()).toEqual(["ER", String(code)]);
  expect(await triggered.outcome).toMatchObject({ code: "unavailable" });
  expect([node.node.dispatch.workers, node.faults]).toEqual([0, []]);
});

test.each([
  ["bare", () => HEARTBEAT],
  ["with its identity", (identity: string) => packet(identity, "HB")],
])("X14: ends a worker with a replaced token at its next heartbeat, %s", async (_, beatOf) => {
  const node = await startLocalDispatch();
  const world = await createWorld({}, createStore(), node);
  await world.administration.create("/made", {});
  const identity = identityOf("dlr", "/made", await renewAccessToken(world, "/made"));
  const peer = await TestPeer.connect(await startBackend(world, { clock: new ManualClock() }));
  peer.say(packet(identity, "RD"));
  await until(() => node.dispatch.workers === 1);
  await renewAccessToken(world, "/made");
  peer.say(beatOf(identity));
  expect(await peer.next()).toEqual(["ER", "402"]);
  expect(node.dispatch.workers).toBe(0);
});

test.each([
  ["bare", HEARTBEAT],
  ["with an empty frame", "HB\n\n\r\n\r\n"],
  ["with the worker's identity", packet(WORKER, "HB")],
  ["with frames that it has no use for", packet(WORKER, "HB", "x")],
])("X14: accepts only the worker's own heartbeats, %s", async (_, heartbeat) => {
  const node = await start();
  const peer = await startWorker(node);
  for (let number = 0; number < 5; number += 1) {
    node.clock.advance(1_000);
    peer.say(heartbeat);
    expect(await request(node.backend, ["CC", "none"])).toBe("ER\n454\n\r\n\r\n");
  }
  expect(node.node.dispatch.workers).toBe(1);
});

test("X20: ignores a heartbeat sent before the task arrived, and reassigns the task", async () => {
  const node = await start();
  const peer = await startWorker(node);
  const triggered = trigger(node);
  await peer.next();
  await beat(node, peer);
  peer.socket.destroy();
  await until(() => node.node.dispatch.workers === 0);
  expect(await triggered.outcome).toMatchObject({ code: "unavailable" });
});

test("X20: does not count unread tasks of a worker as done", async () => {
  const node = await start();
  const peer = await startWorker(node);
  peer.socket.pause();
  const payload = JSON.stringify({ text: "x".repeat(1_000_000) });
  const triggered = Array.from({ length: 40 }, () => trigger(node, "chat/say", payload));
  for (const { taken } of triggered) await taken;
  const second = await startWorker(node);
  for (let number = 0; number < 3; number += 1) {
    node.clock.advance(500);
    for (const each of [peer, second]) await beat(node, each);
  }
  // Only tasks that the connection has taken may count as done, which is far from all.
  expect(node.node.dispatch.working).toBeGreaterThan(10);
  peer.socket.destroy();
  while (triggered.some(({ ends }) => ends() === 0)) {
    node.clock.advance(500);
    await beat(node, second);
  }
  for (const { outcome } of triggered) expect(await outcome).toEqual({ parts: [""] });
});

test("X19: lets workers finish at a stop, and says goodbye", async () => {
  const node = await start();
  const idle = await startWorker(node);
  const busy = await startWorker(node);
  const triggered = [trigger(node), trigger(node)];
  await idle.next();
  await busy.next();
  node.clock.advance(500);
  idle.say(HEARTBEAT);
  await Promise.race(triggered.map(({ outcome }) => outcome));
  const closed = node.backend.backend.close();
  expect(await idle.next()).toEqual(["QT", ""]);
  expect(busy.packets.unread).toEqual([["HB", ""]]);
  busy.say(HEARTBEAT);
  expect(await busy.next()).toEqual(["QT", ""]);
  for (const { outcome } of triggered) expect(await outcome).toEqual({ parts: [""] });
  await closed;
});
