import fc from "fast-check";
import { ChunkQueue } from "../../../src/net/body/chunk-queue.js";

/** Bytes that differ from their neighbours. */
function countedBytes(length: number, first: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (first + index) % 251));
}

const step = fc.record({
  isPush: fc.boolean(),
  size: fc.oneof({ weight: 4, arbitrary: fc.nat(20) }, fc.nat(3_000)),
});

test("returns the bytes that were pushed, in order, when they are taken out in other pieces", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const queue = new ChunkQueue();
      const pushed: Buffer[] = [];
      const taken: Buffer[][] = [];
      const peeked: Buffer[] = [];
      let bytes = 0;
      for (const { isPush, size } of steps) {
        if (isPush) {
          pushed.push(countedBytes(size, bytes));
          bytes += size;
          queue.push(pushed.at(-1) ?? Buffer.alloc(0));
        } else {
          const length = Math.min(size, queue.bytes);
          peeked.push(queue.peek(length) ?? Buffer.alloc(0));
          taken.push(queue.shift(length));
        }
      }
      taken.push(queue.shift(queue.bytes));
      // Compared at the end, because later pushes must not change what was taken before.
      const pieces = taken.map((chunks) => Buffer.concat(chunks));
      expect(pieces.every((piece, index) => piece.equals(peeked[index] ?? piece))).toBe(true);
      expect(Buffer.concat(pieces).equals(Buffer.concat(pushed))).toBe(true);
      expect(queue.bytes).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test("keeps few chunks when many small ones are pushed", () => {
  const queue = new ChunkQueue();
  const chunk = Buffer.of(1);
  for (let count = 0; count < 100_000; count += 1) queue.push(chunk);
  expect(queue.shift(100_000).length).toBeLessThan(30);
});

test("holds little more memory than bytes when small and large pieces alternate", () => {
  const queue = new ChunkQueue();
  // Many small pieces in succession get large buffers.
  for (let count = 0; count < 20_000; count += 1) queue.push(Buffer.alloc(1));
  for (let count = 0; count < 200; count += 1) {
    queue.push(Buffer.alloc(1));
    queue.push(Buffer.alloc(1_024));
  }
  const { bytes } = queue;
  const memory = new Set(queue.shift(bytes).map(({ buffer }) => buffer));
  expect([...memory].reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThan(4 * bytes);
});
