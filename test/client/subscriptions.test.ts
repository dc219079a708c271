import { createTestServer } from "../../client/src/testing/index.js";
import { listenTo, openClient, reaches, recordSockets, startNodeWorld } from "../support/client-library/world.js";
import { ManualClock } from "../support/manual-clock.js";
import { Queue } from "../support/queue.js";

describe("the same topic several times", () => {
  test("joins once for 500 subscriptions that come and go in one turn", async () => {
    const world = await startNodeWorld();
    const { count, webSocket } = recordSockets(world.webSocket);
    const client = openClient({ ...world, webSocket });
    client.connect();
    await reaches(client, "connected");
    const topic = client.topic("room");
    for (let flip = 0; flip < 500; flip += 1) topic.on("message", () => {})();
    const { next, outcomes } = listenTo(topic);
    await outcomes.next();
    await world.publish("room", "1");
    expect(await next()).toEqual([1]);
    expect([count("join"), count("leave")]).toEqual([1, 0]);
  });

  test("stays in the topic while the last subscription is replaced by another one in the same turn", async () => {
    const world = await startNodeWorld();
    const { count, webSocket } = recordSockets(world.webSocket);
    const client = openClient({ ...world, webSocket });
    const first = listenTo(client.topic("room"));
    await first.outcomes.next();
    first.stop();
    for (let flip = 0; flip < 500; flip += 1) client.topic("room").on("message", () => {})();
    const { next } = listenTo(client.topic("room"));
    // Timers of this turn have run when the answer is there.
    await new Promise((resolve) => setTimeout(resolve));
    await client.request({ command: "ping" });
    await world.publish("room", "1");
    expect(await next()).toEqual([1]);
    expect([count("join"), count("leave")]).toEqual([1, 0]);
  });

  test("is joined after 500 subscriptions that come and go in turns of their own, and receives what follows", async () => {
    const world = await startNodeWorld();
    const clock = new ManualClock();
    const { count, webSocket } = recordSockets(world.webSocket);
    const client = openClient({ ...world, webSocket }, { clock });
    client.connect();
    await reaches(client, "connected");
    const topic = client.topic("room");
    for (let flip = 0; flip < 500; flip += 1) {
      const stop = topic.on("message", () => {});
      await Promise.resolve();
      stop();
      // The tick in which the topic is left.
      clock.advance(0);
    }
    const { next, outcomes } = listenTo(topic);
    await outcomes.next();
    await world.publish("room", "1");
    expect(await next()).toEqual([1]);
    expect([count("join"), count("leave")]).toEqual([501, 500]);
    expect(client.state.status).toBe("connected");
  });

  test("delivers to every listener, and leaves with the last one", async () => {
    const world = await startNodeWorld();
    const { count, webSocket } = recordSockets(world.webSocket);
    const clock = new ManualClock();
    const client = openClient({ ...world, webSocket }, { clock });
    const [one, other] = [listenTo(client.topic("plain")), listenTo(client.topic("plain"))];
    await Promise.all([one.outcomes.next(), other.outcomes.next()]);
    await world.publish("plain", "1");
    expect(await Promise.all([one.next(), other.next()])).toEqual([[1], [1]]);
    one.stop();
    clock.advance(0);
    await world.publish("plain", "2");
    expect(await other.next()).toEqual([2]);
    other.stop();
    other.stop();
    clock.advance(0);
    await client.request({ command: "ping" });
    expect([count("join"), count("leave")]).toEqual([1, 1]);
  });

  test("gives a later object the outcome of the join, and state of its own", async () => {
    const world = await startNodeWorld();
    const client = openClient(world);
    await listenTo(client.topic("room")).outcomes.next();
    const states = new Queue<string>();
    const later = client.topic<unknown, string>("room", { getState: ({ reason }) => `state after ${reason}` });
    const { outcomes } = listenTo(later);
    later.on("state", (state) => states.push(state));
    expect(await outcomes.next()).toMatchObject({ recovered: false, reason: "first" });
    expect(await states.next()).toBe("state after first");
  });

  test("joins the topics of one turn with one command", async () => {
    const { url, webSocket: base } = createTestServer();
    const { count, webSocket } = recordSockets(base);
    const client = openClient({ url, webSocket });
    const all = ["a", "b", "c"].map((name) => listenTo(client.topic(name)));
    await Promise.all(all.map(({ outcomes }) => outcomes.next()));
    expect(count("join")).toBe(1);
  });
});

describe("messages that are not delivered", () => {
  test("counts what an iterator that is not read has dropped", async () => {
    const server = createTestServer();
    const client = openClient(server);
    const topic = client.topic<number>("plain");
    const messages = topic.messages({ limit: 2 });
    const { next, outcomes } = listenTo(topic);
    await outcomes.next();
    for (let count = 1; count <= 5; count += 1) server.publish("plain", count);
    await next(5);
    const read = async () => (await messages.next()).value as { readonly data: number; readonly missed: number };
    expect(await read()).toMatchObject({ data: 4, missed: 3 });
    expect(await read()).toMatchObject({ data: 5, missed: 0 });
  });

  test("ends an iterator by its signal, also before its first message", async () => {
    const client = openClient(createTestServer());
    const abort = new AbortController();
    const messages = client.topic("plain").messages({ signal: abort.signal });
    const first = messages.next();
    abort.abort();
    expect(await first).toEqual({ done: true, value: undefined });
    const { value } = await client.topic("plain").messages({ signal: abort.signal }).next();
    expect(value).toBeUndefined();
  });

  test("W14: counts what the server has dropped in the message after it", async () => {
    const server = createTestServer();
    const { messages, outcomes } = listenTo(openClient(server).topic("plain"));
    await outcomes.next();
    server.drop("plain", 17);
    server.publish("plain", 1);
    server.publish("plain", 2);
    expect(await messages.next()).toMatchObject({ data: 1, missed: 17 });
    expect(await messages.next()).toMatchObject({ data: 2, missed: 0 });
  });

  test("loads the state again when it takes too long for the messages that wait", async () => {
    const server = createTestServer({ history: () => 100 });
    const client = openClient(server);
    const answers = new Queue<(state: string) => void>();
    const events: unknown[] = [];
    const topic = client.topic<number, string>("room", {
      bufferLimit: 2,
      getState: () => new Promise((resolve) => answers.push(resolve)),
    });
    const isDone = new Promise<void>((resolve) => {
      topic.on("message", ({ data }) => {
        events.push(data);
        if (data === 9) resolve();
      });
    });
    topic.on("state", (state) => events.push(state));
    const { next, outcomes } = listenTo(client.topic<number>("room"));
    await outcomes.next();
    const first = await answers.next();
    for (const data of [1, 2, 3]) server.publish("room", data);
    await next(3);
    first("old");
    const second = await answers.next();
    server.publish("room", 4);
    await next();
    second("with 1 to 3");
    server.publish("room", 9);
    await isDone;
    expect(events).toEqual(["with 1 to 3", 4, 9]);
  });

  test("reports a state that cannot be loaded, and tries again", async () => {
    const server = createTestServer();
    const clock = new ManualClock();
    const client = openClient(server, { clock, random: () => 0.5 });
    const answers = [() => Promise.reject(new Error("offline")), () => Promise.resolve("state")];
    const topic = client.topic<unknown, string>("plain", {
      getState: () => (answers.shift() as () => Promise<string>)(),
    });
    const { errors } = listenTo(topic);
    const states = new Queue<string>();
    topic.on("state", (state) => states.push(state));
    expect(await errors.next()).toMatchObject({ message: "offline" });
    clock.advance(500);
    expect(await states.next()).toBe("state");
  });

  test("reports what a listener throws, and calls the others", async () => {
    const server = createTestServer();
    const client = openClient(server);
    const errors = new Queue<unknown>();
    client.on("error", (error) => errors.push(error));
    const topic = client.topic("plain");
    topic.on("message", () => {
      throw new Error("broken");
    });
    const { next, outcomes } = listenTo(topic);
    await outcomes.next();
    server.publish("plain", 1);
    expect(await next()).toEqual([1]);
    expect(await errors.next()).toMatchObject({ message: "broken" });
  });
});

describe("topics that the server changes", () => {
  test("W17: reports that the server has removed it, and joins again with the next connection", async () => {
    const server = createTestServer();
    const client = openClient(server);
    const topic = client.topic("plain");
    const { next, outcomes } = listenTo(topic);
    const isLeft = new Promise((resolve) => topic.on("left", resolve));
    await outcomes.next();
    server.kick("plain");
    await isLeft;
    server.disconnect();
    expect(await outcomes.next()).toMatchObject({ recovered: false });
    server.publish("plain", 1);
    expect(await next()).toEqual([1]);
  });

  test("W22: receives messages for its user without a join", async () => {
    const server = createTestServer();
    const recorded = recordSockets(server.webSocket);
    const client = openClient({ url: server.url, webSocket: recorded.webSocket }, { token: () => "eve" });
    const { next, outcomes } = listenTo(client.topic("$user.eve"));
    await outcomes.next();
    server.publish("$user.eve", 1);
    expect(await next()).toEqual([1]);
    expect(recorded.count("join")).toBe(0);
  });

  test("W16: asks for a channel token before each join", async () => {
    const server = createTestServer();
    const client = openClient(server);
    let count = 0;
    const { outcomes } = listenTo(client.topic("plain", { auth: () => Promise.resolve(`channel${(count += 1)}`) }));
    await outcomes.next();
    server.disconnect();
    await outcomes.next();
    const joins = server.received.filter(({ command }) => command === "join");
    expect(joins.map(({ auth }) => auth)).toEqual(["channel1", "channel2"]);
  });

  test("joins again after a join that failed for a time", async () => {
    const server = createTestServer();
    const clock = new ManualClock();
    const client = openClient(server, { clock, random: () => 0.5 });
    const answers = [() => Promise.reject(new Error("offline")), () => Promise.resolve("token")];
    const topic = client.topic("plain", { auth: () => (answers.shift() as () => Promise<string>)() });
    const { outcomes } = listenTo(topic);
    client.connect();
    await reaches(client, "connected");
    while (answers.length === 2) await Promise.resolve();
    await client.request({ command: "ping" });
    clock.advance(500);
    expect(await outcomes.next()).toMatchObject({ reason: "first" });
  });
});
