import { SignJWT } from "jose";
import { WebSocket } from "ws";
import { createFallback } from "../../client/src/events.js";
import { watchPresence } from "../../client/src/presence.js";
import { ControlService } from "../../gen/carillon/v1/control_pb.js";
import { clientTopicsContract } from "../contract/client-topics.js";
import { TestBackend } from "../support/backends/backend.js";
import { publish } from "../support/backends/publish.js";
import { bundleProgram } from "../support/client-library/bundle.js";
import { QUIET } from "../support/client-library/double.js";
import {
  advanceToAttempt,
  CLIENT_CONFIG,
  type ClientWorld,
  listenTo,
  type NodeWorld,
  openClient,
  reaches,
  recordSockets,
  startNodeWorld,
} from "../support/client-library/world.js";
import { inBrowser, NO_SERVER, openPage } from "../support/clients/browser.js";
import { startSite } from "../support/clients/site.js";
import { ManualClock } from "../support/manual-clock.js";
import { Queue } from "../support/queue.js";

const SECRET = "0123456789abcdef".repeat(4);

/** Starts a node whose clients have server-sent events only. */
async function startStreamWorld(): Promise<NodeWorld> {
  const world = await startNodeWorld();
  return { ...world, webSocket: createFallback({ webSocket: false }) };
}

/** Starts such a node whose clients need a token. */
async function startTokenWorld(): Promise<NodeWorld> {
  const [vhost] = Object.values(CLIENT_CONFIG.vhosts);
  const settings = { ...vhost, jwt: { secret: SECRET }, anonymous: { connect: false } };
  const world = await startNodeWorld({ vhosts: { "/": settings } });
  return { ...world, webSocket: createFallback({ webSocket: false }) };
}

clientTopicsContract("server-sent events", startStreamWorld, true);

function signToken(): Promise<string> {
  const key = new TextEncoder().encode(SECRET);
  return new SignJWT({ sub: "eve" }).setProtectedHeader({ alg: "HS256" }).setExpirationTime("1h").sign(key);
}

/** Watches the library's timers. @returns a function that calls the one which fires after a minute of silence */
function watchSilence(): () => void {
  const { setTimeout } = globalThis;
  let last: (() => void) | undefined;
  jest.spyOn(globalThis, "setTimeout").mockImplementation(((run: () => void, delay: number) => {
    if (delay === 60_000) last = run;
    return setTimeout(run, delay);
  }) as typeof setTimeout);
  return () => last?.();
}

afterEach(() => {
  jest.restoreAllMocks();
});

describe("fallback to server-sent events", () => {
  test("recovers by a stream what was missed when WebSockets begin to be blocked, from the same position", async () => {
    const world = await startNodeWorld();
    const { sockets, webSocket } = recordSockets();
    const client = openClient({ ...world, webSocket: createFallback({ webSocket }) });
    const { next, outcomes } = listenTo(client.topic("room"));
    await outcomes.next();
    await world.publish("room", "1");
    await world.blockUpgrades();
    expect(await next()).toEqual([1]);
    world.shut();
    await reaches(client, "waiting");
    await world.publish("room", "2");
    world.open();
    expect(await outcomes.next()).toMatchObject({ recovered: true });
    expect(await next()).toEqual([2]);
    // Two failures in a row.
    expect(sockets.length).toBeGreaterThanOrEqual(3);
    await world.publish("room", "3");
    expect(await next()).toEqual([3]);
    await expect(client.topic("room").publish("4")).rejects.toMatchObject({
      code: "unimplemented",
      message: "needs a WebSocket",
    });
  });

  test("stays with WebSockets after an outage of the server", async () => {
    const world = await startNodeWorld();
    const clock = new ManualClock();
    const client = openClient({ ...world, webSocket: createFallback({ webSocket: WebSocket }) }, { clock, ...QUIET });
    const { next, outcomes } = listenTo(client.topic("room"));
    await outcomes.next();
    world.shut();
    // The lost connection, and two failed attempts.
    for (let losses = 0; losses < 2; losses += 1) {
      await reaches(client, "waiting");
      advanceToAttempt(client, clock);
    }
    await reaches(client, "waiting");
    world.open();
    advanceToAttempt(client, clock);
    expect(await outcomes.next()).toMatchObject({ recovered: true });
    await client.topic("room").publish("published");
    expect(await next()).toEqual(["published"]);
  });

  test("tries WebSockets beside the streams with the latest token, and recovers by them when one opens", async () => {
    const [vhost] = Object.values(CLIENT_CONFIG.vhosts);
    const world = await startNodeWorld({ vhosts: { "/": { ...vhost, jwt: { secret: SECRET } } } });
    const { sockets, webSocket } = recordSockets();
    const block = { isOn: true };
    const tries = new Queue<void>();
    const blocked = class extends webSocket {
      constructor(url: string, protocols?: string[]) {
        super(block.isOn ? "ws://127.0.0.1:9/ws" : url, protocols);
        tries.push();
      }
    };
    const fallback = createFallback({ webSocket: blocked, attempts: 1, retryInterval: 20 });
    const token = await signToken();
    const client = openClient({ ...world, webSocket: fallback });
    const { next, outcomes } = listenTo(client.topic("room"));
    await outcomes.next();
    await client.request({ command: "authenticate", payload: token });
    const before = sockets.length;
    while (sockets.length < before + 3) await tries.next();
    expect(client.state.status).toBe("connected");
    expect(sockets.at(-1)?.protocols).toEqual(["carillon", `bearer.${token}`]);
    const waiting = reaches(client, "waiting");
    block.isOn = false;
    await waiting;
    expect(await outcomes.next()).toMatchObject({ recovered: true });
    await client.topic("room").publish("published");
    expect(await next()).toEqual(["published"]);
  });

  test("neither loses nor repeats messages while topics are added and left", async () => {
    const world = await startStreamWorld();
    const client = openClient(world);
    const stored = listenTo(client.topic<number>("room"));
    const plain = listenTo(client.topic<number>("plain"));
    for (const { outcomes } of [stored, plain]) await outcomes.next();
    let count = 0;
    const heard: { readonly stored: unknown[]; readonly plain: unknown[] } = { stored: [], plain: [] };
    const hear = async (messages: number): Promise<void> => {
      heard.stored.push(...(await stored.next(messages)));
      heard.plain.push(...(await plain.next(messages)));
    };
    for (let round = 0; round < 20; round += 1) {
      const added = listenTo(client.topic(`other.${round}`));
      const progress = { isAdded: false };
      const joined = added.outcomes.next().then(() => {
        progress.isAdded = true;
      });
      while (!progress.isAdded) {
        count += 1;
        await Promise.all(["room", "plain"].map((topic) => world.publish(topic, String(count))));
        // Bounds what a slow machine has still to deliver.
        if (count % 20 === 0) await hear(20);
      }
      await joined;
      if (round % 2 === 0) added.stop();
    }
    const expected = Array.from({ length: count }, (_, index) => index + 1);
    await hear(count % 20);
    expect(heard).toEqual({ stored: expected, plain: expected });
    for (const topic of ["room", "plain"]) await world.publish(topic, '"end"');
    expect([await stored.next(), await plain.next()]).toEqual([["end"], ["end"]]);
    expect(client.state.status).toBe("connected");
  });

  test("connects again after a minute of silence, recovers what it can, and says what may be missing", async () => {
    const silent = watchSilence();
    const world = await startStreamWorld();
    const client = openClient(world);
    const stored = listenTo(client.topic("room"));
    const plain = listenTo(client.topic("plain"));
    for (const { outcomes } of [stored, plain]) await outcomes.next();
    world.mute();
    await world.publish("room", "1");
    silent();
    expect(await stored.outcomes.next()).toMatchObject({ recovered: true });
    expect(await plain.outcomes.next()).toMatchObject({ recovered: false, reason: "no_position" });
    expect(await stored.next()).toEqual([1]);
  });

  test("delivers a message with several topics once for each, while topics are added", async () => {
    const world = await startStreamWorld();
    const client = openClient(world);
    const listeners = ["room", "plain", "other"].map((topic) => listenTo(client.topic<number>(topic)));
    for (const { outcomes } of listeners) await outcomes.next();
    let count = 0;
    for (let round = 0; round < 5; round += 1) {
      const progress = { isAdded: false };
      const joined = listenTo(client.topic(`added.${round}`))
        .outcomes.next()
        .then(() => {
          progress.isAdded = true;
        });
      while (!progress.isAdded) {
        count += 1;
        await publish(world.node, [{ topics: ["room", "plain", "other"], payload: String(count) }]);
        for (const { next } of listeners) expect(await next()).toEqual([count]);
      }
      await joined;
    }
  });

  test("does not join a topic again from which the backend has removed it", async () => {
    const world = await startStreamWorld();
    const client = openClient(world);
    const topic = client.topic("plain");
    const isLeft = new Promise((resolve) => topic.on("left", resolve));
    for (const joined of [client.topic("room"), topic]) await listenTo(joined).outcomes.next();
    const backend = new TestBackend(world.node);
    const { connections } = await backend.call(ControlService.method.listConnections, { topic: "plain" });
    const target = { target: { case: "connectionId" as const, value: connections[0]?.id ?? "" } };
    await backend.call(ControlService.method.unsubscribe, { target, topics: ["plain"] });
    await isLeft;
    await listenTo(client.topic("added")).outcomes.next();
    expect(await backend.call(ControlService.method.listConnections, { topic: "plain" })).toMatchObject({
      connections: [],
    });
  });

  test("receives messages for the user by another stream when the first one has ended", async () => {
    const world = await startTokenWorld();
    const client = openClient(world, { token: signToken });
    const hidden = listenTo(client.topic("room", { hidden: true }));
    await hidden.outcomes.next();
    await listenTo(client.topic("plain")).outcomes.next();
    const personal = listenTo(client.topic("$user.eve"));
    await personal.outcomes.next();
    hidden.stop();
    const backend = new TestBackend(world.node);
    const { listConnections } = ControlService.method;
    while ((await backend.call(listConnections, { topic: "room" })).connections.length > 0);
    await world.publish("$user.eve", '"hello"');
    expect(await personal.next()).toEqual(["hello"]);
  });

  test("honours the advice of a node that stops", async () => {
    const world = await startStreamWorld();
    const client = openClient(world);
    await listenTo(client.topic("room")).outcomes.next();
    const waiting = reaches(client, "waiting");
    await world.node.carillon.stop();
    expect(await waiting).toMatchObject({
      reason: { code: 1012, message: expect.stringMatching(/, retry after 1-10 s$/) },
    });
  });

  test("W15: presents tokens in a header, a fresh one on a new stream, and asks again when one is refused", async () => {
    const world = await startTokenWorld();
    const tokens = ["invalid", await signToken(), await signToken()];
    const given: string[] = [];
    const token = (): string => {
      const next = tokens[given.length] ?? "";
      given.push(next);
      return next;
    };
    const client = openClient(world, { token });
    const waiting = reaches(client, "waiting");
    const { next, outcomes } = listenTo(client.topic("$user.eve"));
    const room = listenTo(client.topic("room"));
    expect(await waiting).toMatchObject({ reason: { code: 4401 } });
    await room.outcomes.next();
    await outcomes.next();
    await client.request({ command: "authenticate", payload: await signToken() });
    await world.publish("$user.eve", "1");
    await world.publish("room", "2");
    expect([await next(), await room.next()]).toEqual([[1], [2]]);
    await expect(client.request({ command: "authenticate", payload: "invalid" })).rejects.toMatchObject({
      code: "unavailable",
    });
  });

  test("gives each set of join options a stream, and every message once", async () => {
    const world = await startStreamWorld();
    const client = openClient(world);
    const room = listenTo(client.topic("room", { hidden: true }));
    const plain = listenTo(client.topic("plain"));
    for (const { outcomes } of [room, plain]) await outcomes.next();
    await world.publish("room", "1");
    await world.publish("plain", "2");
    expect([await room.next(), await plain.next()]).toEqual([[1], [2]]);
  });

  test("refuses the commands that need a WebSocket, and a history that there is not", async () => {
    const world = await startStreamWorld();
    const client = openClient(world);
    const ends = new Queue<Error>();
    watchPresence(
      client.topic("members"),
      () => {},
      (error) => ends.push(error),
    );
    expect(await ends.next()).toMatchObject({ code: "unimplemented" });
    await expect(client.request({ command: "call", topics: ["add"], payload: "" })).rejects.toMatchObject({
      code: "unimplemented",
    });
    const read = (topic: string, payload: object): Promise<unknown> =>
      client.request({ command: "history", topics: [topic], payload });
    await expect(read("plain", {})).rejects.toMatchObject({ code: "failed_precondition" });
    await expect(read("room", { before: "m.1" })).rejects.toMatchObject({ code: "unimplemented" });
    await expect(read("room", { limit: 1_001 })).rejects.toMatchObject({ code: "invalid_argument" });
    expect(await read("room", {})).toMatchObject({ payload: { topic: "room", messages: [], more: false } });
  });

  test("waits and tries again while the server cannot be reached", async () => {
    const world = await startStreamWorld();
    world.shut();
    const client = openClient({ ...world, webSocket: createFallback({ webSocket: WebSocket, attempts: 1 }) });
    const { next, outcomes } = listenTo(client.topic("room"));
    await reaches(client, "waiting");
    world.open();
    await outcomes.next();
    await world.publish("room", "1");
    expect(await next()).toEqual([1]);
  });
});

/** Opens a page of another origin whose client falls back, and writes its messages to the console. */
async function openListener({ url }: ClientWorld) {
  const shown = await openPage(await startSite(await bundleProgram("page")), {
    expected: new RegExp(`${NO_SERVER.source}|WebSocket connection to|ERR_`),
  });
  await shown.page.evaluate(`
    const client = library.createClient(${JSON.stringify(url)}, { random: () => 0, webSocket: library.createFallback() });
    const room = client.topic("room", { getState: library.rewind(10) });
    client.on("state", ({ status }) => console.log(status));
    room.on("joined", ({ recovered }) => console.log("joined " + recovered));
    room.on("state", (messages) => console.log("state " + messages.map(({ data }) => data)));
    room.on("message", ({ data }) => console.log("message " + data));
  `);
  return shown;
}

inBrowser("in a page", () => {
  test("listens by server-sent events where WebSockets are blocked, and recovers", async () => {
    const world = await startNodeWorld();
    await world.blockUpgrades();
    await world.publish("room", "0");
    const shown = await openListener(world);
    await shown.hasLogged("state 0");
    await world.publish("room", "1");
    await shown.hasLogged("message 1");
    world.shut();
    await shown.hasLogged("waiting", 3);
    await world.publish("room", "2");
    world.open();
    await shown.hasLogged("joined true");
    await world.publish("room", "3");
    await shown.hasLogged("message 3");
    expect(shown.logs.filter((log) => log.startsWith("message"))).toEqual(["message 1", "message 2", "message 3"]);
  });
});
