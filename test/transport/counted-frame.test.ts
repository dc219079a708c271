import fc from "fast-check";
import { COUNT } from "../../src/dialects/dialect.js";
import { countedTemplate, countedTextFrame } from "../../src/transport/counted-frame.js";
import { textFrame } from "../../src/transport/frame.js";

const sizes = fc.constantFrom(0, 100, 125, 126, 4_000, 4_200, 65_500, 70_000);

test("B14: a connection's frame is the text with its count, in one piece or two", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      sizes,
      fc.string(),
      fc.integer({ min: 1 }),
      (before, size, end, count) => {
        const behind = `ü${"x".repeat(size)}${end.replaceAll(COUNT, "")}`;
        const begin = before.replaceAll(COUNT, "");
        const pieces = countedTextFrame(countedTemplate(begin + COUNT + behind), count);
        expect(Buffer.concat(pieces).equals(textFrame(`${begin}${count}${behind}`))).toBe(true);
      },
    ),
  );
});

test("O6, B14: of a large message connections share all but what is before its end", () => {
  const template = countedTemplate(`{"seq":${COUNT},"payload":"${"x".repeat(100_000)}"}`);
  const [one, other] = [countedTextFrame(template, 7), countedTextFrame(template, 1_000)];
  expect([one.length, other.length]).toEqual([2, 2]);
  expect(one[1]?.buffer).toBe(template.buffer);
  expect(other[1]?.buffer).toBe(template.buffer);
  expect(
    [...one, ...other].reduce((own, piece) => own + (piece.buffer === template.buffer ? 0 : piece.length), 0),
  ).toBeLessThan(100);
});
