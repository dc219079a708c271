import fc from "fast-check";
import { COUNT } from "../../../src/dialects/dialect.js";
import { createCountedFrames, createCountedTemplate } from "../../../src/transport/websocket/counted-frame.js";
import { createTextFrame } from "../../../src/transport/websocket/frame.js";

const sizes = fc.constantFrom(0, 100, 125, 126, 4_000, 4_200, 65_500, 70_000);

test("B14: creates the text with its count, in one or two pieces", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      sizes,
      fc.string(),
      fc.integer({ min: 1 }),
      (before, size, end, count) => {
        const behind = `ü${"x".repeat(size)}${end.replaceAll(COUNT, "")}`;
        const begin = before.replaceAll(COUNT, "");
        const pieces = createCountedFrames([createCountedTemplate(begin + COUNT + behind)])(count);
        expect(Buffer.concat(pieces).equals(createTextFrame(`${begin}${count}${behind}`))).toBe(true);
      },
    ),
  );
});

test("O6, B14: shares the rest of a large message after the count among connections", () => {
  const template = createCountedTemplate(`{"seq":${COUNT},"payload":"${"x".repeat(100_000)}"}`);
  const framesFrom = createCountedFrames([template]);
  const [one, other] = [framesFrom(7), framesFrom(1_000)];
  expect([one.length, other.length]).toEqual([2, 2]);
  expect(one[1]?.buffer).toBe(template.buffer);
  expect(other[1]?.buffer).toBe(template.buffer);
  expect(
    [...one, ...other].reduce((own, piece) => own + (piece.buffer === template.buffer ? 0 : piece.length), 0),
  ).toBeLessThan(100);
});

test("B14: creates the same frames for messages of one batch as for single messages, with any count", () => {
  const counts = fc.array(fc.oneof(fc.integer({ min: 1, max: 1_100 }), fc.integer({ min: 99_900, max: 100_100 })));
  fc.assert(
    fc.property(fc.array(sizes, { minLength: 1, maxLength: 120 }), counts, (lengths, firsts) => {
      const texts = lengths.map((length, position) => [
        `{"n":"${position}","seq":`,
        `,"x":"${"y".repeat(length % 200)}"}`,
      ]);
      const framesFrom = createCountedFrames(
        texts.map(([begin = "", end = ""]) => createCountedTemplate(begin + COUNT + end)),
      );
      for (const first of firsts) {
        const expected = texts.map(([begin = "", end = ""], position) =>
          createTextFrame(`${begin}${first + position}${end}`),
        );
        expect(Buffer.concat(framesFrom(first)).equals(Buffer.concat(expected))).toBe(true);
      }
    }),
  );
});
