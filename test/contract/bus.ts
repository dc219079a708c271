import type { Bus } from "../../src/cluster/bus.js";
import { Queue } from "../support/queue.js";

/** Two nodes' ends of one bus, where the driver has that; else the same one twice. */
export type SetUp = () => Promise<readonly [Bus, Bus]>;

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

async function hear(subject: string, of: Bus, group?: string): Promise<{ heard: Queue<string>; end: () => void }> {
  const heard = new Queue<string>();
  const listen = (data: Uint8Array): void => {
    heard.push(Buffer.from(data).toString());
  };
  const end = of.subscribe(subject, listen, group);
  await of.flush();
  return { heard, end };
}

/** What was published before has been heard, and what was subscribed and ended is known. */
async function settled(buses: readonly Bus[]): Promise<void> {
  for (const bus of buses) {
    await bus.flush();
    const { end, heard } = await hear("settled", bus);
    for (const from of buses) {
      from.publish("settled", bytes(""));
      await heard.next();
    }
    end();
    await bus.flush();
  }
}

/** What cluster/bus.ts promises. Every driver passes this. */
export function busContract(ofDriver: string, setUp: SetUp): void {
  describe(`a bus: ${ofDriver}`, () => {
    let one: Bus;
    let other: Bus;

    beforeEach(async () => {
      [one, other] = await setUp();
    });

    test("is up once started", () => {
      expect([one.up, other.up]).toEqual([true, true]);
    });

    test("what is published is heard by all, its publisher included, in order", async () => {
      const { heard: byOne } = await hear("a", one);
      const { heard: byOther } = await hear("a", other);
      const words = Array.from({ length: 100 }, (_, number) => String(number));
      for (const word of words) one.publish("a", bytes(word));

      for (const heard of [byOne, byOther]) {
        const arrived: string[] = [];
        while (arrived.length < words.length) arrived.push(await heard.next());
        expect(arrived).toEqual(words);
      }
    });

    test("what is published is not heard before the code that publishes has ended", async () => {
      const { heard } = await hear("a", one);
      one.publish("a", bytes("1"));
      expect(heard.unread).toEqual([]);
      expect(await heard.next()).toBe("1");
    });

    test("each subject is heard alone", async () => {
      const { heard: a } = await hear("node.a", other);
      const { heard: b } = await hear("node.b", other);
      one.publish("node.b", bytes("1"));
      one.publish("node.a-b_C9", bytes("2"));
      one.publish("node", bytes("3"));
      one.publish("node.a", bytes("4"));
      expect(await a.next()).toBe("4");
      expect(await b.next()).toBe("1");
      expect([...a.unread, ...b.unread]).toEqual([]);
    });

    test("bytes arrive as they are", async () => {
      const all = Uint8Array.from({ length: 256 }, (_, value) => value);
      const heard = new Queue<Uint8Array>();
      other.subscribe("a", (data) => {
        heard.push(data);
      });
      await other.flush();
      one.publish("a", all);
      one.publish("a", new Uint8Array());
      expect(Buffer.from(await heard.next())).toEqual(Buffer.from(all));
      expect((await heard.next()).length).toBe(0);
    });

    test("after its end a subscription hears nothing, and others go on", async () => {
      const { end, heard } = await hear("a", other);
      const { heard: goesOn } = await hear("a", other);
      end();
      end();
      await other.flush();
      one.publish("a", bytes("1"));
      expect(await goesOn.next()).toBe("1");
      expect(heard.unread).toEqual([]);
    });

    test("of a group one hears each message, and others hear all", async () => {
      const all = await hear("a", other);
      const members = [await hear("a", one, "g"), await hear("a", other, "g"), await hear("a", other, "g")];
      const alone = await hear("a", one, "h");
      const elsewhere = await hear("b", other, "g");
      const words = Array.from({ length: 200 }, (_, number) => String(number));
      for (const word of words) one.publish("a", bytes(word));
      one.publish("b", bytes("end"));

      expect(await elsewhere.heard.next()).toBe("end");
      for (const { heard } of [all, alone]) {
        for (const word of words) expect(await heard.next()).toBe(word);
      }
      await settled([one, other]);
      const shares = members.map(({ heard }) => heard.unread);
      expect(shares.flat().toSorted((a, b) => Number(a) - Number(b))).toEqual(words);
      // Each gets something: with three that are chosen by chance, one in 10^35 runs says otherwise.
      expect(shares.every((share) => share.length > 0)).toBe(true);
    });

    test("a member of a group that ends leaves the messages to the others", async () => {
      const ends = await hear("a", one, "g");
      const stays = await hear("a", other, "g");
      ends.end();
      ends.end();
      await settled([one, other]);
      for (let number = 0; number < 20; number += 1) one.publish("a", bytes(String(number)));
      for (let number = 0; number < 20; number += 1) expect(await stays.heard.next()).toBe(String(number));
      expect(ends.heard.unread).toEqual([]);
    });

    test("what is offered and nobody listens to is told to the bus that has offered it, and only that", async () => {
      const unheard = [new Queue<string>(), new Queue<string>()] as const;
      for (const [position, bus] of [one, other].entries()) bus.onUnheard((id) => unheard[position]?.push(id));
      const { end, heard } = await hear("a", other, "g");
      const { heard: plain } = await hear("b", other);
      await settled([one, other]);

      one.offer("nobody", bytes("1"), "one-1");
      one.offer("a", bytes("2"), "one-2");
      one.offer("b", bytes("3"), "one-3");
      one.publish("nobody", bytes("4"));
      one.offer("no.body", bytes("5"), "one_5");
      expect([await heard.next(), await plain.next()]).toEqual(["2", "3"]);
      expect([await unheard[0].next(), await unheard[0].next()]).toEqual(["one-1", "one_5"]);
      await settled([one, other]);
      expect(unheard[0].unread).toEqual([]);
      expect(unheard[1].unread).toEqual(one === other ? ["one-1", "one_5"] : []);

      end();
      await settled([one, other]);
      one.offer("a", bytes("6"), "one-6");
      expect(await unheard[0].next()).toBe("one-6");
    });

    test("a listener that throws harms nobody", async () => {
      other.subscribe("a", () => {
        throw new Error("a fault of the listener");
      });
      const { heard } = await hear("a", other);
      one.publish("a", bytes("1"));
      one.publish("a", bytes("2"));
      expect([await heard.next(), await heard.next()]).toEqual(["1", "2"]);
    });

    test("what was published before stop arrives; after it nothing is sent, and nothing thrown", async () => {
      const { heard } = await hear("a", other);
      one.publish("a", bytes("1"));
      await one.stop(1_000);
      await one.stop(1_000);
      expect(await heard.next()).toBe("1");
      expect(one.up).toBe(false);
      one.publish("a", bytes("2"));
      expect(heard.unread).toEqual([]);
    });
  });
}
