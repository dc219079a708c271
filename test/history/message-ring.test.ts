import { array, assert, integer, property } from "fast-check";
import { computeMessageSize, type LoggedMessage, MessageRing } from "../../src/history/message-ring.js";

function logged(sequence: number): LoggedMessage {
  const message = {
    id: "i",
    event: "",
    sender: "",
    time: sequence,
    payload: Buffer.from("x"),
    position: `p${sequence}`,
  };
  return { ...message, sequence, size: computeMessageSize(message) };
}

test("H2: has all messages after its base, and none where some were removed", () => {
  const ring = new MessageRing<LoggedMessage>(5);
  expect([ring.last, ring.length, ring.after(5), ring.after(4)]).toEqual([5, 0, [], undefined]);
  for (const sequence of [7, 9, 12]) ring.push(logged(sequence));
  const after = (sequence: number) => ring.after(sequence)?.map((each) => each.sequence);
  expect([after(4), after(5), after(6), after(7), after(11), after(12), after(99)]).toEqual([
    undefined,
    [7, 9, 12],
    [7, 9, 12],
    [9, 12],
    [12],
    [],
    [],
  ]);
  expect(ring.shift()?.sequence).toBe(7);
  expect([ring.base, after(6), after(7)]).toEqual([7, undefined, [9, 12]]);
  ring.reset(20);
  expect([ring.base, ring.last, ring.bytes, ring.shift(), after(19), after(20)]).toEqual([
    20,
    20,
    0,
    undefined,
    undefined,
    [],
  ]);
});

test("H2: agrees with a plain list after any pushes and removals", () => {
  assert(
    property(array(integer({ min: -60, max: 60 }), { maxLength: 20 }), (steps) => {
      const ring = new MessageRing<LoggedMessage>(0);
      const list: LoggedMessage[] = [];
      let last = 0;
      let base = 0;
      for (const step of steps) {
        for (let count = 0; count < step; count += 1) {
          last += 3;
          const entry = logged(last);
          ring.push(entry);
          list.push(entry);
        }
        for (let count = 0; count > step; count -= 1) {
          const removed = list.shift();
          base = removed?.sequence ?? base;
          if (ring.shift() !== removed) throw new Error("another entry was removed");
        }
        expect(ring.slice().map(({ sequence }) => sequence)).toEqual(list.map(({ sequence }) => sequence));
        expect([ring.base, ring.length, ring.last]).toEqual([base, list.length, list.at(-1)?.sequence ?? base]);
        expect([ring.oldest, ring.newest]).toEqual([list[0], list.at(-1)]);
        expect(ring.bytes).toBe(list.reduce((sum, { size }) => sum + size, 0));
      }
    }),
  );
});
