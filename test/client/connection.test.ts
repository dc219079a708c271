import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server as NetServer } from "node:net";
import { WebSocket } from "ws";
import { rewind } from "../../client/src/history.js";
import type { ConnectionState, WebSocketConstructor } from "../../client/src/index.js";
import { createTestServer } from "../../client/src/testing/index.js";
import { cleanUp } from "../support/clean-up.js";
import { openDouble, QUIET } from "../support/client-library/double.js";
import { listenTo, openClient, reaches, recordSockets } from "../support/client-library/world.js";
import { ManualClock } from "../support/manual-clock.js";
import { Queue } from "../support/queue.js";

/** Time until the next attempt, in milliseconds. */
function delayOf(state: ConnectionState, clock: ManualClock): number {
  return state.status === "waiting" ? state.nextAttempt - clock.now() : Number.NaN;
}

describe("states", () => {
  test("connects when it is first used, and is closed before and after", async () => {
    const { client, sockets } = openDouble();
    const states: string[] = [];
    client.on("state", ({ status }) => states.push(status));
    expect(client.state).toEqual({ status: "closed" });
    client.topic("plain");
    expect(sockets).toEqual([]);
    const { outcomes } = listenTo(client.topic("plain"));
    await outcomes.next();
    client.close();
    expect(client.state).toEqual({ status: "closed" });
    expect(states).toEqual(["connecting", "connected", "closed"]);
    expect(sockets.map(({ url }) => url)).toEqual(["ws://test.invalid/ws?meta=1"]);
  });

  test("waits with the reason and the time of the next attempt", async () => {
    const { client, clock, server } = openDouble();
    client.connect();
    await reaches(client, "connected");
    server.disconnect(1011, "ping timeout");
    expect(await reaches(client, "waiting")).toEqual({
      status: "waiting",
      reason: { code: 1011, message: "ping timeout" },
      nextAttempt: clock.now() + 500,
    });
    clock.advance(500);
    await reaches(client, "connected");
  });

  test("ends iterators and commands when it is closed", async () => {
    const { client } = openDouble();
    client.connect();
    await reaches(client, "connected");
    const message = client.topic("plain").messages().next();
    const publish = client.topic("plain").publish("x");
    client.close();
    expect(await message).toEqual({ done: true, value: undefined });
    await expect(publish).rejects.toMatchObject({ code: "cancelled" });
  });

  test.each(["a constructor is missing", "the scheme of its URL is invalid", "its token is no subprotocol"])(
    "stops, and fails its commands, when %s",
    async (fault) => {
      const [scheme, token] = [fault.includes("scheme") ? "ftp" : "ws", fault.includes("token") ? "a b" : "token"];
      const webSocket = (fault.includes("constructor") ? {} : WebSocket) as WebSocketConstructor;
      const client = openClient(
        { url: `${scheme}://127.0.0.1:9/ws`, webSocket },
        { offline: "queue", token: () => token },
      );
      await expect(client.topic("plain").publish("x")).rejects.toMatchObject({ code: "invalid_argument" });
      expect(client.state).toMatchObject({ status: "closed", error: { cause: expect.any(Error) } });
    },
  );

  test("does not load the state after it is closed, and loads it when it connects again and nothing is missing", async () => {
    const { client, clock } = openDouble({ offline: "queue" }, { history: () => 10 });
    const reasons: string[] = [];
    const states = new Queue<string>();
    let isFailing = true;
    const topic = client.topic<unknown, string>("room", {
      getState({ reason }) {
        reasons.push(reason);
        if (isFailing) throw new Error("not loaded");
        return "state";
      },
    });
    const { errors, outcomes } = listenTo(topic);
    topic.on("state", (state) => states.push(state));
    expect(await errors.next()).toMatchObject({ message: "not loaded" });
    client.close();
    clock.advance(60_000);
    expect([client.state.status, reasons.length]).toEqual(["closed", 1]);
    isFailing = false;
    await outcomes.next();
    client.connect();
    expect(await outcomes.next()).toMatchObject({ recovered: true });
    expect(await states.next()).toBe("state");
    expect(reasons).toEqual(["first", "first"]);
  });

  test("reports nothing when it is closed while the latest messages are read", async () => {
    const { client, server } = openDouble();
    const events: unknown[] = [];
    client.on("error", (error) => events.push(error));
    const topic = client.topic("room", { getState: rewind(10) });
    topic.on("error", (error) => events.push(error));
    topic.on("state", (state) => events.push(state));
    const isJoined = new Promise((resolve) => topic.on("joined", resolve));
    await isJoined;
    client.close();
    // The state of a later subscription comes after anything that the first one would still report.
    const later = openClient(server).topic("room", { getState: () => "done" });
    await new Promise((resolve) => later.on("state", resolve));
    expect(events).toEqual([]);
  });

  test("joins again when the channel token is refused with no reason at all", async () => {
    const { client, clock } = openDouble();
    const answers = [() => Promise.reject(undefined), () => Promise.resolve("token")];
    const isAsked = new Queue<void>();
    const topic = client.topic("plain", {
      auth() {
        isAsked.push();
        return (answers.shift() as () => Promise<string>)();
      },
    });
    const { outcomes } = listenTo(topic);
    await isAsked.next();
    await client.request({ command: "ping" });
    clock.advance(500);
    expect(await outcomes.next()).toMatchObject({ reason: "first" });
  });

  test("has no deadline where the timeout is longer than a timer can be", async () => {
    const server = createTestServer();
    server.shut();
    const client = openClient(server, { offline: "queue" });
    const ends: unknown[] = [];
    for (const timeout of [Number.POSITIVE_INFINITY, 2 ** 31]) {
      client
        .topic("plain")
        .publish("x", { timeout })
        .catch((error) => ends.push(error));
    }
    // Ends after a deadline that the platform has cut to 1 ms.
    await expect(client.topic("plain").publish("x", { timeout: 1 })).rejects.toMatchObject({
      code: "deadline_exceeded",
    });
    expect(ends).toEqual([]);
  });

  test.each([1002, 1007, 1008, 4403, 4404])(
    "stops after close code %d, and connects again on request",
    async (code) => {
      const { client, clock, server } = openDouble();
      const { errors, outcomes } = listenTo(client.topic("plain"));
      await outcomes.next();
      server.disconnect(code, "why");
      const state = await reaches(client, "closed");
      expect(state).toMatchObject({ status: "closed", error: { message: `why (${code})` } });
      expect(await errors.next()).toMatchObject({ message: `why (${code})` });
      expect(clock.timers).toBe(0);
      client.connect();
      expect(await outcomes.next()).toMatchObject({ recovered: false });
    },
  );

  test("accepts http URLs, and refuses invalid ones", () => {
    const { webSocket } = createTestServer();
    const { sockets, webSocket: recording } = recordSockets(webSocket);
    openClient({ url: "https://a.test/ws/shop?x=1", webSocket: recording }).connect();
    expect(() => openClient({ url: "/ws", webSocket })).toThrow("Invalid URL");
    return expect(reachesSocket(sockets)).resolves.toBe("wss://a.test/ws/shop?x=1&meta=1");
  });
});

async function reachesSocket(sockets: readonly { readonly url: string }[]): Promise<string | undefined> {
  while (sockets.length === 0) await new Promise((resolve) => setImmediate(resolve));
  return sockets[0]?.url;
}

describe("no thundering herd", () => {
  test("waits any time up to a longest one, which doubles with each failure", async () => {
    const { client, clock, server } = openDouble({ random: () => 0.999 });
    client.connect();
    await reaches(client, "connected");
    server.shut();
    const delays: number[] = [];
    for (let failures = 0; failures < 7; failures += 1) {
      const delay = delayOf(await reaches(client, "waiting"), clock);
      clock.advance(delay);
      expect(client.state.status).toBe("connecting");
      delays.push(delay);
    }
    expect(delays).toEqual([999, 1_998, 3_996, 7_992, 15_984, 29_970, 29_970]);
  });

  test("forgets failures when a connection has lasted, and not before", async () => {
    const { client, clock, server } = openDouble();
    client.connect();
    const delays: number[] = [];
    for (const duration of [1_000, 1_000, 20_000, 1_000]) {
      await reaches(client, "connected");
      clock.advance(duration);
      server.disconnect();
      const delay = delayOf(await reaches(client, "waiting"), clock);
      clock.advance(delay);
      delays.push(delay);
    }
    expect(delays).toEqual([500, 1_000, 500, 1_000]);
  });

  test("L7: spreads the clients of a restarting node over 5 s, and those of an overloaded one over 10 s", async () => {
    for (const [code, longest] of [
      [1012, 5_000],
      [1013, 10_000],
    ] as const) {
      const server = createTestServer();
      const clock = new ManualClock();
      let drawn = 0;
      const random = (): number => (drawn += 1) / 51;
      const clients = Array.from({ length: 50 }, () => openClient(server, { clock, random }));
      for (const client of clients) client.connect();
      await Promise.all(clients.map((client) => reaches(client, "connected")));
      server.disconnect(code, "come back later");
      const states = await Promise.all(clients.map((client) => reaches(client, "waiting")));
      const delays = states.map((state) => delayOf(state, clock)).toSorted((a, b) => a - b);
      // Evenly: each tenth of the time gets a tenth of the clients.
      const tenths = Array.from({ length: 10 }, (_, tenth) =>
        delays.filter((delay) => Math.floor((delay / longest) * 10) === tenth),
      );
      expect(tenths.map(({ length }) => length)).toEqual(Array.from({ length: 10 }, () => expect.closeTo(5, -0.5)));
    }
  });

  test("L23: waits as the text of the close frame advises", async () => {
    for (const [draw, delay] of [
      [0, 3_000],
      [0.5, 11_500],
    ] as const) {
      const server = createTestServer();
      const clock = new ManualClock();
      const client = openClient(server, { clock, random: () => draw });
      client.connect();
      await reaches(client, "connected");
      server.disconnect(1012, "service restart, retry after 3-20 s");
      expect(delayOf(await reaches(client, "waiting"), clock)).toBe(delay);
    }
  });

  test("A11: waits at least as long as Retry-After says", async () => {
    const server = createServer();
    server.on("upgrade", (_request, socket) => {
      socket.end("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    });
    const clock = new ManualClock();
    const client = openClient({ url: await listen(server), webSocket: recordSockets().webSocket }, { clock });
    client.connect();
    const state = await reaches(client, "waiting");
    expect(state).toMatchObject({ reason: { code: 429, message: "refused" } });
    expect(delayOf(state, clock)).toBe(7_000);
  });

  test("A11: waits as long as Retry-After says although the device wakes up, and then not longer", async () => {
    const server = createServer();
    server.on("upgrade", (_request, socket) => {
      socket.end("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n");
    });
    const clock = new ManualClock();
    const client = openClient({ url: await listen(server), webSocket: recordSockets().webSocket }, { clock, ...QUIET });
    client.connect();
    expect(delayOf(await reaches(client, "waiting"), clock)).toBe(75_000);
    // Late timers are how a device without a page notices that it has slept.
    clock.sleep(20_000);
    expect(client.state.status).toBe("waiting");
    expect(delayOf(client.state, clock)).toBe(40_000);
    clock.advance(40_000);
    expect(client.state.status).toBe("connecting");
  });

  test("gives up a handshake that is not answered", async () => {
    const accepted: (() => void)[] = [];
    const server = createTcpServer((socket) => {
      cleanUp(() => socket.destroy());
      for (const resolve of accepted) resolve();
    });
    const url = await listen(server);
    const clock = new ManualClock();
    const client = openClient({ url, webSocket: recordSockets().webSocket }, { clock, ...QUIET });
    const isAccepted = new Promise<void>((resolve) => accepted.push(resolve));
    client.connect();
    await isAccepted;
    clock.advance(9_999);
    expect(client.state.status).toBe("connecting");
    clock.advance(1);
    expect(client.state).toMatchObject({ status: "waiting", reason: { message: "no handshake in time" } });
  });
});

async function listen(server: NetServer): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp(() => server.close());
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
}
