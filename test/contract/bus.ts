import type { Bus } from "../../src/cluster/bus.js";
import { Queue } from "../support/queue.js";

/** Two nodes' ends of one bus, where the driver has that; else the same one twice. */
export type SetUp = () => Promise<readonly [Bus, Bus]>;

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

async function hear(subject: string, of: Bus): Promise<{ heard: Queue<string>; end: () => void }> {
  const heard = new Queue<string>();
  const end = of.subscribe(subject, (data) => {
    heard.push(Buffer.from(data).toString());
  });
  await of.flush();
  return { heard, end };
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
