import { call, callParts, trigger } from "../../client/src/calls.js";
import { type Presence, readPresence, watchPresence } from "../../client/src/presence.js";
import { type ClientWorld, listenTo, openClient, reaches } from "../support/client-library/world.js";
import { Queue } from "../support/queue.js";

/** Suite about commands that the client passes with a node and with the server double. */
export function clientCommandsContract(name: string, start: () => Promise<ClientWorld>): void {
  describe(`client commands contract: ${name}`, () => {
    describe("publishing", () => {
      test("refuses to publish while disconnected, or queues it until the next connect", async () => {
        const world = await start();
        const { next, outcomes } = listenTo(openClient(world).topic("room"));
        await outcomes.next();
        world.shut();
        const client = openClient(world);
        const topic = client.topic("room");
        client.connect();
        await reaches(client, "waiting");
        await expect(topic.publish("refused")).rejects.toMatchObject({ code: "unavailable", message: "not connected" });
        const queued = ["one", "two"].map((data) => topic.publish(data, { offline: "queue", id: data }));
        world.open();
        expect(await Promise.all(queued)).toEqual(["one", "two"]);
        expect(await next(2)).toEqual(["one", "two"]);
      });

      test("bounds the queue", async () => {
        const world = await start();
        world.shut();
        const client = openClient(world, { offline: "queue", queueLimit: 400 });
        const topic = client.topic("plain");
        const first = topic.publish("x".repeat(200));
        await expect(topic.publish("x".repeat(200))).rejects.toMatchObject({ code: "resource_exhausted" });
        client.close();
        await expect(first).rejects.toMatchObject({ code: "cancelled" });
      });

      test("publishes a message once when it is repeated with the same id", async () => {
        const world = await start();
        const client = openClient(world);
        const topic = client.topic("room");
        const { messages, outcomes } = listenTo(topic);
        await outcomes.next();
        await topic.publish("one", { id: "m1" });
        await topic.publish("one", { id: "m1" });
        await topic.publish("two", { event: "e" });
        expect(await messages.next()).toMatchObject({ data: "one", id: ":m1" });
        expect(await messages.next()).toMatchObject({ data: "two", event: "e" });
      });

      test("refuses what the client may not publish", async () => {
        const world = await start();
        const client = openClient(world);
        client.connect();
        await reaches(client, "connected");
        await expect(client.topic("staff").publish("x")).rejects.toMatchObject({ code: "permission_denied" });
        await expect(client.topic("two words").publish("x")).rejects.toMatchObject({ code: "invalid_argument" });
        await expect(client.topic("plain").publish(undefined)).rejects.toThrow("the data is not json");
      });

      test("T1, T2: refuses invalid names and names that are too long", async () => {
        const client = openClient(await start());
        client.connect();
        await reaches(client, "connected");
        const topic = client.topic("plain");
        const [longest, long] = ["é".repeat(127), "é".repeat(128)];
        await client.topic(longest).publish("x");
        await topic.publish("x", { event: longest, id: "longest" });
        const refused = { code: "invalid_argument", message: expect.stringContaining("is longer than 255 bytes") };
        await expect(client.topic(long).publish("x")).rejects.toMatchObject(refused);
        await expect(topic.publish("x", { event: long })).rejects.toMatchObject(refused);
        await expect(topic.publish("x", { id: long })).rejects.toMatchObject(refused);
        for (const invalid of ["", "@a", "#a", "$a", "a\u0001", "a\u2003b"]) {
          await expect(client.topic(invalid).publish("x")).rejects.toMatchObject({ code: "invalid_argument" });
        }
        for (const event of [" a", "a\u0001"]) {
          await expect(topic.publish("x", { event })).rejects.toMatchObject({ code: "invalid_argument" });
        }
        expect(() => client.topic(undefined as unknown as string)).toThrow(new TypeError("the topic is not text"));
      });

      test("ends a command by its signal and its deadline", async () => {
        const world = await start();
        world.shut();
        const topic = openClient(world, { offline: "queue" }).topic("plain");
        const abort = new AbortController();
        const aborted = topic.publish("x", { signal: abort.signal });
        abort.abort(new Error("not needed"));
        await expect(aborted).rejects.toThrow("not needed");
        await expect(topic.publish("x", { signal: abort.signal })).rejects.toThrow("not needed");
        for (const reason of [null, "", 0]) {
          const signal = AbortSignal.abort(reason);
          await expect(topic.publish("x", { signal })).rejects.toMatchObject({ code: "cancelled" });
          await expect(callParts(topic.client, "add", 1, { signal }).next()).rejects.toMatchObject({
            code: "cancelled",
          });
        }
        await expect(topic.publish("x", { timeout: 1 })).rejects.toMatchObject({ code: "deadline_exceeded" });
      });
    });

    describe("presence", () => {
      test("lists members, and reports who comes and goes", async () => {
        const world = await start();
        const client = openClient(world);
        const values = new Queue<Presence>();
        const stop = watchPresence(client.topic("members"), (presence) => values.push(presence));
        expect(await values.next()).toMatchObject({
          count: 1,
          members: [{ user: "", info: {} }],
          joined: [],
          left: [],
        });
        const other = openClient(world);
        const hidden = listenTo(openClient(world).topic("members", { hidden: true }));
        await hidden.outcomes.next();
        const heard = listenTo(other.topic("members"));
        await heard.outcomes.next();
        const [joined] = await Promise.all([values.next(), readPresence(other.topic("members"))]);
        expect(joined).toMatchObject({ count: 2, joined: [{ user: "" }], more: false });
        expect(joined.members).toHaveLength(2);
        other.close();
        expect(await values.next()).toMatchObject({
          count: 1,
          left: joined.joined.map(({ connection }) => ({ connection })),
        });
        stop();
      });

      test("lists the members again after a reconnect", async () => {
        const world = await start();
        const client = openClient(world);
        const values = new Queue<Presence>();
        watchPresence(client.topic("members"), (presence) => values.push(presence));
        const [before] = (await values.next()).members;
        world.shut();
        await reaches(client, "waiting");
        world.open();
        const { count, members } = await values.next();
        expect(count).toBe(1);
        expect(members[0]?.connection).not.toBe(before?.connection);
      });

      test("reports a topic without presence", async () => {
        const world = await start();
        const errors = new Queue<Error>();
        watchPresence(
          openClient(world).topic("plain"),
          () => {},
          (error) => errors.push(error),
        );
        expect(await errors.next()).toMatchObject({ code: "permission_denied" });
        expect(errors.unread).toEqual([]);
      });
    });

    describe("calls", () => {
      test("calls a worker", async () => {
        const world = await start();
        await world.answerCalls("add", (payload) => [String(sum(JSON.parse(payload) as number[]))]);
        const client = openClient(world);
        client.connect();
        await reaches(client, "connected");
        expect(await call(client, "add", [2, 3])).toBe(5);
        await expect(call(client, "nobody", null)).rejects.toMatchObject({ code: "unavailable" });
      });

      test("iterates over the parts of an answer, or joins them", async () => {
        const world = await start();
        await world.answerCalls("parts", () => ["1", "2", "3"]);
        const client = openClient(world);
        client.connect();
        await reaches(client, "connected");
        const parts: unknown[] = [];
        for await (const part of callParts(client, "parts", null)) parts.push(part);
        expect(parts).toEqual([1, 2, 3]);
        await world.answerCalls("parts", () => ["1", "2", "3"]);
        expect(await call(client, "parts", null)).toBe(123);
      });

      test("throws the failure of a worker", async () => {
        const world = await start();
        const failure = { code: "not_found", message: "no such order" };
        await world.answerCalls("order", () => failure);
        const client = openClient(world);
        client.connect();
        await reaches(client, "connected");
        await expect(call(client, "order", 7)).rejects.toMatchObject(failure);
      });

      test("publishes a message that is a task, too", async () => {
        const world = await start();
        const tasks = new Queue<string>();
        await world.answerCalls("mail", (payload) => {
          tasks.push(payload);
          return [""];
        });
        const client = openClient(world);
        const { next, outcomes } = listenTo(client.topic("plain"));
        await outcomes.next();
        await trigger(client, "mail", "plain", { to: "eve" });
        expect(await next()).toEqual([{ to: "eve" }]);
        expect(await tasks.next()).toBe('{"to":"eve"}');
      });
    });
  });
}

const sum = ([a = 0, b = 0]: readonly number[]): number => a + b;
