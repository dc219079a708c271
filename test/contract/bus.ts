import type { Bus } from "../../src/cluster/bus.js";
import { Queue } from "../support/queue.js";

/** Creates the ends of one bus on two nodes, or one bus twice where the driver is local. */
export type SetUp = () => Promise<readonly [Bus, Bus]>;

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

async function subscribe(
  subject: string,
  bus: Bus,
  group?: string,
): Promise<{ received: Queue<string>; end: () => void }> {
  const received = new Queue<string>();
  const listen = (data: Uint8Array): void => {
    received.push(Buffer.from(data).toString());
  };
  const end = bus.subscribe(subject, listen, group);
  await bus.flush();
  return { received, end };
}

/** Resolves when earlier messages have been delivered, and earlier subscriptions and their ends are active. */
async function settled(buses: readonly Bus[]): Promise<void> {
  for (const bus of buses) {
    await bus.flush();
    const { end, received } = await subscribe("settled", bus);
    for (const from of buses) {
      from.publish("settled", bytes(""));
      await received.next();
    }
    end();
    await bus.flush();
  }
}

/** Tests the contract of cluster/bus.ts, which every driver fulfils. */
export function busContract(driver: string, setUp: SetUp): void {
  describe(`bus contract: ${driver}`, () => {
    let one: Bus;
    let other: Bus;

    beforeEach(async () => {
      [one, other] = await setUp();
    });

    test("is up after start", () => {
      expect([one.up, other.up]).toEqual([true, true]);
    });

    test("delivers messages to all nodes, including the publisher's, in order", async () => {
      const { received: byOne } = await subscribe("a", one);
      const { received: byOther } = await subscribe("a", other);
      const numbers = Array.from({ length: 100 }, (_, number) => String(number));
      for (const number of numbers) one.publish("a", bytes(number));

      for (const received of [byOne, byOther]) {
        const arrived: string[] = [];
        while (arrived.length < numbers.length) arrived.push(await received.next());
        expect(arrived).toEqual(numbers);
      }
    });

    test("delivers messages after the publishing code has finished", async () => {
      const { received } = await subscribe("a", one);
      one.publish("a", bytes("1"));
      expect(received.unread).toEqual([]);
      expect(await received.next()).toBe("1");
    });

    test("delivers only messages of the subscribed subject", async () => {
      const { received: a } = await subscribe("node.a", other);
      const { received: b } = await subscribe("node.b", other);
      one.publish("node.b", bytes("1"));
      one.publish("node.a-b_C9", bytes("2"));
      one.publish("node", bytes("3"));
      one.publish("node.a", bytes("4"));
      expect(await a.next()).toBe("4");
      expect(await b.next()).toBe("1");
      expect([...a.unread, ...b.unread]).toEqual([]);
    });

    test("delivers bytes unchanged", async () => {
      const all = Uint8Array.from({ length: 256 }, (_, value) => value);
      const received = new Queue<Uint8Array>();
      other.subscribe("a", (data) => {
        received.push(data);
      });
      await other.flush();
      one.publish("a", all);
      one.publish("a", new Uint8Array());
      expect(Buffer.from(await received.next())).toEqual(Buffer.from(all));
      expect((await received.next()).length).toBe(0);
    });

    test("delivers nothing to an ended subscription, and continues for others", async () => {
      const { end, received } = await subscribe("a", other);
      const { received: remaining } = await subscribe("a", other);
      end();
      end();
      await other.flush();
      one.publish("a", bytes("1"));
      expect(await remaining.next()).toBe("1");
      expect(received.unread).toEqual([]);
    });

    test("delivers each message to one member of a group, and to all other subscribers", async () => {
      const all = await subscribe("a", other);
      const members = [
        await subscribe("a", one, "g"),
        await subscribe("a", other, "g"),
        await subscribe("a", other, "g"),
      ];
      const alone = await subscribe("a", one, "h");
      const elsewhere = await subscribe("b", other, "g");
      const numbers = Array.from({ length: 200 }, (_, number) => String(number));
      for (const number of numbers) one.publish("a", bytes(number));
      one.publish("b", bytes("end"));

      expect(await elsewhere.received.next()).toBe("end");
      for (const { received } of [all, alone]) {
        for (const number of numbers) expect(await received.next()).toBe(number);
      }
      await settled([one, other]);
      const shares = members.map(({ received }) => received.unread);
      expect(shares.flat().toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers);
      // Each member receives a message, except in one of 10^35 runs with three randomly chosen members.
      expect(shares.every((share) => share.length > 0)).toBe(true);
    });

    test("delivers messages to the remaining members when a member of a group ends", async () => {
      const ends = await subscribe("a", one, "g");
      const stays = await subscribe("a", other, "g");
      ends.end();
      ends.end();
      await settled([one, other]);
      for (let number = 0; number < 20; number += 1) one.publish("a", bytes(String(number)));
      for (let number = 0; number < 20; number += 1) expect(await stays.received.next()).toBe(String(number));
      expect(ends.received.unread).toEqual([]);
    });

    test("reports an offered message without subscribers to the offering bus only", async () => {
      const unreceived = [new Queue<string>(), new Queue<string>()] as const;
      for (const [position, bus] of [one, other].entries()) bus.onNoSubscriber((id) => unreceived[position]?.push(id));
      const { end, received } = await subscribe("a", other, "g");
      const { received: plain } = await subscribe("b", other);
      await settled([one, other]);

      one.offer("unsubscribed", bytes("1"), "one-1");
      one.offer("a", bytes("2"), "one-2");
      one.offer("b", bytes("3"), "one-3");
      one.publish("unsubscribed", bytes("4"));
      one.offer("no.body", bytes("5"), "one_5");
      expect([await received.next(), await plain.next()]).toEqual(["2", "3"]);
      expect([await unreceived[0].next(), await unreceived[0].next()]).toEqual(["one-1", "one_5"]);
      await settled([one, other]);
      expect(unreceived[0].unread).toEqual([]);
      expect(unreceived[1].unread).toEqual(one === other ? ["one-1", "one_5"] : []);

      end();
      await settled([one, other]);
      one.offer("a", bytes("6"), "one-6");
      expect(await unreceived[0].next()).toBe("one-6");
    });

    test("continues for other subscribers when one throws", async () => {
      other.subscribe("a", () => {
        throw new Error("a fault of the listener");
      });
      const { received } = await subscribe("a", other);
      one.publish("a", bytes("1"));
      one.publish("a", bytes("2"));
      expect([await received.next(), await received.next()]).toEqual(["1", "2"]);
    });

    test("delivers messages published before stop, and sends nothing afterwards without throwing", async () => {
      const { received } = await subscribe("a", other);
      one.publish("a", bytes("1"));
      await one.stop(1_000);
      await one.stop(1_000);
      expect(await received.next()).toBe("1");
      expect(one.up).toBe(false);
      one.publish("a", bytes("2"));
      expect(received.unread).toEqual([]);
    });
  });
}
