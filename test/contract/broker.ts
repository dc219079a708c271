import { randomBytes } from "node:crypto";
import type { Message, Publication } from "../../src/core/message.js";
import type { BrokerDriver, MessageReceiver } from "../../src/core/ports.js";
import { Queue } from "../support/queue.js";

/** Drivers that share one broker. Tests that need a single driver use the first. */
export type SetUp = () => Promise<{
  readonly drivers: readonly [BrokerDriver, ...BrokerDriver[]];
}>;

const DEADLINE = 1_000;

function message(payload: string | Uint8Array, fields: Partial<Message> = {}): Message {
  return { id: "id-1", event: "", sender: "", time: 1_700_000_000_123, payload: Buffer.from(payload), ...fields };
}

function to(topic: string, payload: string | Uint8Array, vhost = "/"): Publication {
  return { vhost, topic, message: message(payload) };
}

function text({ payload }: Message): string {
  return Buffer.from(payload).toString("utf8");
}

class Ear implements MessageReceiver {
  readonly heard = new Queue<Message>();

  deliver(heard: Message): void {
    this.heard.push(heard);
  }

  async texts(count: number): Promise<string[]> {
    const result: string[] = [];
    while (result.length < count) result.push(text(await this.heard.next()));
    return result;
  }
}

/** Tests of the promises that core/ports.ts makes for a broker driver. Every driver passes them. */
export function brokerContract(ofDriver: string, setUp: SetUp): void {
  describe(`a broker driver: ${ofDriver}`, () => {
    let driver: BrokerDriver;
    let drivers: readonly BrokerDriver[];

    beforeEach(async () => {
      ({ drivers } = await setUp());
      const [first] = drivers;
      if (first === undefined) throw new Error("no driver");
      driver = first;
    });

    async function hear(topic: string, vhost = "/", of = driver): Promise<Ear> {
      const ear = new Ear();
      of.subscribe(vhost, topic, ear);
      await of.settle();
      return ear;
    }

    test("O9: is up once started", () => {
      expect(driver.up).toBe(true);
    });

    test("O2: delivers id, event, sender, time and payload of messages published after subscribe and settle", async () => {
      const ear = await hear("orders.42");
      const sent = message("hällo", {
        id: "an id, with: signs",
        event: "order.created",
        sender: "node.1f",
        time: 1_234_567_890_123,
      });

      await driver.publish([{ vhost: "/", topic: "orders.42", message: sent }]);

      const { event, id, payload, sender, time } = await ear.heard.next();
      expect({ event, id, sender, time }).toEqual({
        event: sent.event,
        id: sent.id,
        sender: sent.sender,
        time: sent.time,
      });
      expect(Buffer.from(payload)).toEqual(Buffer.from(sent.payload));
    });

    test("O5: resolves publish with flushed", async () => {
      expect(await driver.publish([to("a", "1")])).toMatchObject({ stage: "flushed" });
    });

    test("O1: delivers messages in the order published, awaited or not", async () => {
      const ear = await hear("a");
      const numbers = Array.from({ length: 500 }, (_, position) => String(position));

      await Promise.all(numbers.slice(0, 300).map(async (number) => driver.publish([to("a", number)])));
      for (const number of numbers.slice(300)) await driver.publish([to("a", number)]);

      expect(await ear.texts(500)).toEqual(numbers);
    });

    test("O1: delivers a batch in its order over all its topics", async () => {
      const heard = new Queue<string>();
      for (const topic of ["a", "b", "c"]) {
        driver.subscribe("/", topic, {
          deliver: (arrived) => {
            heard.push(topic + text(arrived));
          },
        });
      }
      await driver.settle();

      await driver.publish([to("a", "1"), to("b", "2"), to("a", "3"), to("c", "4"), to("b", "5")]);

      const arrived: string[] = [];
      while (arrived.length < 5) arrived.push(await heard.next());
      expect(arrived).toEqual(["a1", "b2", "a3", "c4", "b5"]);
    });

    test("O1: keeps the metadata of messages apart when a batch has many topics and many messages", async () => {
      const a = await hear("a");
      const b = await hear("b");
      const one = message("1", { id: "one", event: "first" });
      const two = message("2", { id: "two" });

      await driver.publish([
        { vhost: "/", topic: "a", message: one },
        { vhost: "/", topic: "b", message: one },
        { vhost: "/", topic: "b", message: two },
        { vhost: "/", topic: "a", message: one },
      ]);

      const heardByA = [await a.heard.next(), await a.heard.next()];
      const heardByB = [await b.heard.next(), await b.heard.next()];
      expect(heardByA.map(({ event, id }) => [id, event])).toEqual([
        ["one", "first"],
        ["one", "first"],
      ]);
      expect(heardByB.map(({ event, id }) => [id, event])).toEqual([
        ["one", "first"],
        ["two", ""],
      ]);
    });

    test("O2: delivers every message once to every subscription of a topic", async () => {
      const ears = [await hear("a"), await hear("a"), await hear("a")];

      await driver.publish([to("a", "1"), to("a", "2")]);
      await driver.publish([to("a", "end")]);

      for (const ear of ears) {
        expect(await ear.texts(3)).toEqual(["1", "2", "end"]);
        expect(ear.heard.unread).toEqual([]);
      }
    });

    test("O2: delivers to every node of the broker", async () => {
      const ears = await Promise.all(drivers.map((each) => hear("shared", "/", each)));

      for (const [position, each] of drivers.entries()) await each.publish([to("shared", `from ${position}`)]);

      const expected = drivers.map((_, position) => `from ${position}`);
      for (const ear of ears) expect(await ear.texts(drivers.length)).toEqual(expected);
    });

    test("O3: delivers nothing after close, and still serves other subscriptions", async () => {
      const gone = new Ear();
      const subscription = driver.subscribe("/", "a", gone);
      const stays = await hear("a");
      await driver.publish([to("a", "1")]);
      expect(await gone.texts(1)).toEqual(["1"]);

      subscription.close();
      subscription.close();
      await driver.publish([to("a", "2")]);

      expect(await stays.texts(2)).toEqual(["1", "2"]);
      expect(gone.heard.unread).toEqual([]);
    });

    test("O3: delivers nothing to a subscription that was closed before it was settled", async () => {
      const gone = new Ear();
      driver.subscribe("/", "a", gone).close();
      const stays = await hear("a");

      await driver.publish([to("a", "1")]);

      expect(await stays.texts(1)).toEqual(["1"]);
      expect(gone.heard.unread).toEqual([]);
    });

    test("O3: delivers earlier messages before the settle of a later subscription resolves", async () => {
      const ear = await hear("a");
      for (let number = 0; number < 50; number += 1) {
        await driver.publish([to("a", String(number))]);
        await driver.settle();
        expect(ear.heard.unread.map(text)).toEqual([String(number)]);
        await ear.heard.next();
      }
    });

    test("N1: keeps topics apart when they differ in one byte", async () => {
      const names = [
        "a",
        "A",
        "a.",
        ".a",
        "a..b",
        "a.b",
        "a%2Eb",
        "*",
        ">",
        "%2A",
        "ä",
        "a\u0308",
        "_",
        "💥",
        "a*",
        "a.>",
      ];
      const ears = await Promise.all(names.map((name) => hear(name)));

      for (const name of names) await driver.publish([to(name, name)]);

      for (const [position, ear] of ears.entries()) {
        expect(await ear.texts(1)).toEqual([names[position]]);
        expect(ear.heard.unread).toEqual([]);
      }
    });

    test("N1: keeps topics of the same name apart when their vhosts differ", async () => {
      const vhosts = ["/", "/_", "/a", "/a.b", "/a/b", "/A"];
      const ears = await Promise.all(vhosts.map((vhost) => hear("a", vhost)));

      for (const vhost of vhosts) await driver.publish([to("a", vhost, vhost)]);
      await driver.settle();

      for (const [position, ear] of ears.entries()) {
        expect(await ear.texts(1)).toEqual([vhosts[position]]);
        expect(ear.heard.unread).toEqual([]);
      }
    });

    test.each([
      ["no byte", new Uint8Array(0)],
      ["one zero byte", new Uint8Array(1)],
      ["all 256 values", Uint8Array.from({ length: 256 }, (_, value) => value)],
      ["line ends and what looks like NATS", Buffer.from("\r\n\r\nPUB carillon._.a 1\r\nx\r\nPING\r\n\r\n")],
      ["512 KiB", randomBytes(512 * 1_024)],
    ])("N2: delivers a payload byte for byte: %s", async (_name, payload) => {
      const ear = await hear("a");

      await driver.publish([to("a", payload)]);

      expect(Buffer.from((await ear.heard.next()).payload).equals(payload)).toBe(true);
    });

    test("O2: leaves a delivered message unchanged while later ones arrive", async () => {
      const ear = await hear("a");
      const payloads = Array.from({ length: 50 }, (_, position) => randomBytes(1 + position * 997));

      await driver.publish(payloads.map((payload) => to("a", payload)));

      const kept: Message[] = [];
      while (kept.length < payloads.length) kept.push(await ear.heard.next());
      for (const [position, payload] of payloads.entries()) {
        expect(Buffer.from(kept[position]?.payload ?? []).equals(payload)).toBe(true);
      }
    });

    test("O5: resolves with flushed when a topic has no subscriber, and delivers nothing later", async () => {
      expect(await driver.publish([to("nobody", "1")])).toMatchObject({ stage: "flushed" });

      const ear = await hear("nobody");
      await driver.publish([to("nobody", "2")]);

      expect(await ear.texts(1)).toEqual(["2"]);
    });

    test("O4: accepts an empty batch", async () => {
      driver.admit([]);
      expect(await driver.publish([])).toMatchObject({ stage: "flushed" });
    });

    test("O2: resolves settle when nothing was subscribed", async () => {
      await driver.settle();
      await Promise.all([driver.settle(), driver.settle()]);
    });

    test("O4: publishes nothing in admit", async () => {
      const ear = await hear("a");

      driver.admit([to("a", "admitted")]);
      await driver.publish([to("a", "published")]);

      expect(await ear.texts(1)).toEqual(["published"]);
    });

    test("O2: delivers to each of a thousand topics its own messages", async () => {
      const topics = Array.from({ length: 1_000 }, (_, position) => `topic.${position}`);
      const ears = topics.map((topic) => {
        const ear = new Ear();
        driver.subscribe("/", topic, ear);
        return ear;
      });
      await driver.settle();

      await driver.publish(topics.map((topic) => to(topic, topic)));
      await driver.settle();

      expect(ears.flatMap((ear) => ear.heard.unread.map(text))).toEqual(topics);
    });

    test("O2: allows closing any subscription from within a delivery", async () => {
      const ear = await hear("end");
      const heardByFirst: string[] = [];
      const heardBySecond: string[] = [];
      const first = driver.subscribe("/", "a", {
        deliver: (arrived) => {
          heardByFirst.push(text(arrived));
          first.close();
        },
      });
      driver.subscribe("/", "a", {
        deliver: (arrived) => {
          heardBySecond.push(text(arrived));
        },
      });
      await driver.settle();

      await driver.publish([to("a", "1"), to("a", "2"), to("end", "end")]);
      await ear.texts(1);

      expect(heardByFirst).toEqual(["1"]);
      expect(heardBySecond).toEqual(["1", "2"]);
    });

    test("W22: delivers topics one segment below with their names, and no others", async () => {
      const [, other = driver] = drivers;
      const heard = new Queue<string>();
      const names = ["above.1", "above.zß", "above.a%2Ab", "above.a*b>"];
      const subscription = driver.subscribeBelow("/", "above", (name, arrived) => {
        heard.push(`${name}: ${text(arrived)}`);
      });
      const ear = await hear("above.1");
      const elsewhere = ["above", "abov.1", "above1.1", "above.1.2", "other.above.1", "above."];

      await other.publish([...elsewhere.map((name) => to(name, "no")), to("above.1", "other vhost", "/other")]);
      await other.publish(names.map((name) => to(name, name)));

      for (const name of names) expect(await heard.next()).toBe(`${name}: ${name}`);
      expect(await ear.texts(1)).toEqual(["above.1"]);
      subscription.close();
      await driver.settle();
      await other.publish([to("above.1", "after close")]);
      expect(await ear.texts(1)).toEqual(["after close"]);
      expect(heard.unread).toEqual([]);
    });

    test("O9: is down after stop, and refuses everything but closing with unavailable", async () => {
      const subscription = driver.subscribe("/", "a", new Ear());
      await driver.settle();

      await driver.stop(DEADLINE);

      const refusal = expect.objectContaining({ code: "unavailable" });
      expect(driver.up).toBe(false);
      expect(() => {
        driver.admit([to("a", "1")]);
      }).toThrow(refusal);
      await expect(driver.publish([to("a", "1")])).rejects.toEqual(refusal);
      await expect(driver.settle()).rejects.toEqual(refusal);
      expect(() => {
        subscription.close();
        driver.subscribe("/", "b", new Ear()).close();
      }).not.toThrow();
    });

    test("L7: sends and answers pending publishes before it stops", async () => {
      const [, other] = drivers;
      const ear = await hear("a", "/", other ?? driver);
      const published = driver.publish([to("a", "last")]);

      await Promise.all([driver.stop(DEADLINE), published]);

      expect(await ear.texts(1)).toEqual(["last"]);
      await driver.stop(DEADLINE);
    });
  });
}
