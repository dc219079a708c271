import { readHistory, rewind } from "../../client/src/history.js";
import type { Message } from "../../client/src/index.js";
import { type ClientWorld, listenTo, openClient, reaches } from "../support/client-library/world.js";
import { Queue } from "../support/queue.js";

const POSITION = expect.stringMatching(/./) as string;

/**
 * Suite about topics and recovery that the client passes with a node and with the server double.
 * @param listensOnly - whether the client can only listen
 */
export function clientTopicsContract(name: string, start: () => Promise<ClientWorld>, listensOnly = false): void {
  const testOfCommands = listensOnly ? (): void => {} : test;
  describe(`client topics contract: ${name}`, () => {
    describe("topics", () => {
      test("delivers published data with its id, event, time and position", async () => {
        const world = await start();
        const room = openClient(world).topic("room");
        const { messages, outcomes } = listenTo(room);
        expect(await outcomes.next()).toEqual({ recovered: false, reason: "first", position: POSITION });
        await world.publish("room", '{"text":"one"}', { id: "m1", event: "said" });
        const message = await messages.next();
        expect(message).toEqual({
          topic: "room",
          data: { text: "one" },
          payload: '{"text":"one"}',
          id: "m1",
          event: "said",
          time: expect.any(Date),
          position: POSITION,
          missed: 0,
        });
        expect(Math.abs(message.time.getTime() - Date.now())).toBeLessThan(120_000);
        expect(room.position).toBe(message.position);
        await world.publish("room", "plain text");
        expect(await messages.next()).toMatchObject({ data: "plain text", payload: "plain text", event: "" });
      });

      testOfCommands("delivers what another client publishes, whatever JSON it is", async () => {
        const world = await start();
        const { next, outcomes } = listenTo(openClient(world).topic("plain"));
        expect(await outcomes.next()).toMatchObject({ position: undefined });
        const publisher = openClient(world).topic("plain");
        const values = [{ a: [1, null] }, "text", "42", 42, null, false];
        await reaches(connected(publisher.client), "connected");
        for (const value of values) await publisher.publish(value);
        expect(await next(values.length)).toEqual(values);
      });

      testOfCommands("passes text unchanged with the format text", async () => {
        const world = await start();
        const client = openClient(world);
        const { next, outcomes } = listenTo(client.topic<string>("plain", { format: "text" }));
        await outcomes.next();
        await client.topic<string>("plain", { format: "text" }).publish("42");
        await world.publish("plain", '{"a":1}');
        expect(await next(2)).toEqual(["42", '{"a":1}']);
      });

      test("reports a message that parse refuses, and delivers the others", async () => {
        const world = await start();
        const { errors, next, outcomes } = listenTo(openClient(world).topic("plain", { parse: parseNumber }));
        await outcomes.next();
        await world.publish("plain", '"one"', { id: "m1" });
        await world.publish("plain", "2");
        expect(await next()).toEqual([2]);
        expect(await errors.next()).toMatchObject({
          code: "invalid_argument",
          message: "message m1: Error: not a number",
        });
      });

      test("iterates over messages, and leaves the topic with the loop", async () => {
        const world = await start();
        const client = openClient(world);
        const topic = client.topic<number>("plain");
        const { outcomes, stop } = listenTo(topic);
        const messages = topic.messages();
        stop();
        await outcomes.next();
        await world.publish("plain", "1");
        await world.publish("plain", "2");
        const seen: number[] = [];
        for await (const { data } of messages) if (seen.push(data) === 2) break;
        expect(seen).toEqual([1, 2]);
        await left(client, "plain");
        expect(client.subscriptions.find("plain")).toBeUndefined();
      });

      test("refuses a topic that the client may not join, and joins the others of the same turn", async () => {
        const world = await start();
        const client = openClient(world);
        const staff = listenTo(client.topic("staff"));
        const plain = listenTo(client.topic("plain"));
        expect(await plain.outcomes.next()).toMatchObject({ reason: "first" });
        expect(await staff.errors.next()).toMatchObject({ code: "permission_denied" });
        const iteration = client.topic("staff").messages().next();
        await expect(iteration).rejects.toMatchObject({ code: "permission_denied" });
      });
    });

    describe("recovery", () => {
      test("delivers what was published while the client was away, once and in order", async () => {
        const world = await start();
        const client = openClient(world);
        const { next, outcomes } = listenTo(client.topic("room"));
        await outcomes.next();
        await world.publish("room", "1");
        expect(await next()).toEqual([1]);
        world.shut();
        await reaches(client, "waiting");
        await world.publish("room", "2");
        await world.publish("room", "3");
        world.open();
        expect(await outcomes.next()).toEqual({ recovered: true, position: POSITION });
        await world.publish("room", "4");
        expect(await next(3)).toEqual([2, 3, 4]);
      });

      test("says that messages are missing, and why, when the history is too short", async () => {
        const world = await start();
        const client = openClient(world);
        const { next, outcomes } = listenTo(client.topic("room"));
        await outcomes.next();
        world.shut();
        await reaches(client, "waiting");
        for (let count = 0; count < 25; count += 1) await world.publish("room", "0");
        world.open();
        expect(await outcomes.next()).toEqual({ recovered: false, reason: "expired", position: POSITION });
        await world.publish("room", "1");
        expect(await next()).toEqual([1]);
      });

      test("says that messages may be missing on a topic without history", async () => {
        const world = await start();
        const client = openClient(world);
        const { outcomes } = listenTo(client.topic("plain"));
        await outcomes.next();
        world.shut();
        await reaches(client, "waiting");
        world.open();
        expect(await outcomes.next()).toEqual({ recovered: false, reason: "no_position", position: undefined });
      });

      test("joins state and stream without a gap, at first and when messages are missing", async () => {
        const world = await start();
        const client = openClient(world);
        const requests = new Queue<{ readonly reason: string; readonly answer: (state: string) => void }>();
        const events: unknown[] = [];
        const topic = client.topic<string, string>("room", {
          getState: ({ known, reason }) =>
            new Promise((resolve) => {
              const answer = (state: string): void => {
                known.add("in state");
                resolve(state);
              };
              requests.push({ reason, answer });
            }),
        });
        const last = new Queue<string>();
        topic.on("state", (state) => events.push(`state ${state}`));
        topic.on("message", ({ data }) => {
          events.push(data);
          if (data.startsWith("end")) last.push(data);
        });
        const arrivals = listenTo(client.topic<string>("room"));
        const first = await requests.next();
        expect(first.reason).toBe("first");
        await world.publish("room", "older than the state");
        await world.publish("room", "known", { id: "in state" });
        await world.publish("room", "one");
        await arrivals.next(3);
        expect(events).toEqual([]);
        first.answer("A");
        await world.publish("room", "end 1");
        await last.next();
        expect(events.splice(0)).toEqual(["state A", "one", "end 1"]);

        world.shut();
        await reaches(client, "waiting");
        for (let count = 0; count < 25; count += 1) await world.publish("room", "missed");
        world.open();
        const second = await requests.next();
        expect(second.reason).toBe("expired");
        second.answer("B");
        await world.publish("room", "end 2");
        await last.next();
        expect(events).toEqual(["state B", "end 2"]);
      });

      test("starts with stored messages, and again when messages are missing", async () => {
        const world = await start();
        for (const text of ["1", "2", "3"]) await world.publish("room", text);
        const client = openClient(world);
        const states = new Queue<readonly Message<number>[]>();
        const topic = client.topic<number, readonly Message<number>[]>("room", { getState: rewind(2) });
        const { next } = listenTo(topic);
        topic.on("state", (state) => states.push(state));
        const data = async () => (await states.next()).map((message) => message.data);
        expect(await data()).toEqual([2, 3]);
        await world.publish("room", "4");
        expect(await next()).toEqual([4]);
        world.shut();
        await reaches(client, "waiting");
        for (let count = 5; count < 30; count += 1) await world.publish("room", String(count));
        world.open();
        expect(await data()).toEqual([28, 29]);
      });

      testOfCommands("reads stored messages in pages", async () => {
        const world = await start();
        for (const text of ["1", "2", "3"]) await world.publish("room", text);
        const client = openClient(world);
        client.connect();
        await reaches(client, "connected");
        const topic = client.topic<number>("room");
        const last = await readHistory(topic, { limit: 2 });
        expect(last).toMatchObject({ messages: [{ data: 2 }, { data: 3 }], more: true });
        const [{ position = "" } = {}] = last.messages;
        expect(await readHistory(topic, { before: position })).toMatchObject({ messages: [{ data: 1 }], more: false });
        expect(await readHistory(topic, { after: position })).toMatchObject({ messages: [{ data: 3 }], more: false });
        await expect(readHistory(client.topic("plain"))).rejects.toMatchObject({ code: "failed_precondition" });
      });
    });
  });
}

function parseNumber(data: unknown): number {
  if (typeof data !== "number") throw new Error("not a number");
  return data;
}

function connected<C extends { connect(): void }>(client: C): C {
  client.connect();
  return client;
}

/** Resolves when the server has handled the leave of a topic, which a timer sends. */
async function left(client: ReturnType<typeof openClient>, topic: string): Promise<void> {
  while (client.subscriptions.find(topic) !== undefined) await new Promise((resolve) => setImmediate(resolve));
  await client.request({ command: "ping" });
}
