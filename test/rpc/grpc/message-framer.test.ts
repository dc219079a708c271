import { MessageFramer } from "../../../src/rpc/grpc/message-framer.js";
import { framed } from "../../support/raw/grpc.js";

const STREAM = { limit: 1_000, streaming: true };
const SINGLE = { limit: 1_000, streaming: false };

const MESSAGES = ["", "a", "hello", "x".repeat(1_000), "", "y".repeat(7)].map((text) => Buffer.from(text));

/** Splits bytes into chunks of this size. */
function split(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

/** Reads all messages that have arrived. */
function readAll(framer: MessageFramer): Buffer[] {
  const messages: Buffer[] = [];
  for (let next = framer.next(); typeof next === "object"; next = framer.next()) {
    const message = Buffer.concat(next.chunks);
    expect(message.length).toBe(next.length);
    messages.push(message);
  }
  return messages;
}

describe.each([1, 2, 4, 5, 6, 11, 999, 1_005, 5_000])("with chunks of %d bytes", (size) => {
  const bytes = Buffer.concat(MESSAGES.map((message) => framed(message)));

  test("returns the messages as they were sent", () => {
    const framer = new MessageFramer(STREAM, undefined);
    const received: Buffer[] = [];
    for (const chunk of split(bytes, size)) {
      framer.push(chunk);
      received.push(...readAll(framer));
    }
    expect(received).toEqual(MESSAGES);
    expect(framer.bytes).toBe(0);
    expect(framer.next()).toBe("short");
    framer.finish();
    expect(framer.next()).toBe("end");
  });

  test("refuses a length above the limit as soon as it has arrived", () => {
    const framer = new MessageFramer(STREAM, undefined);
    const prefix = framed(Buffer.alloc(1_001)).subarray(0, 5);
    const chunks = split(prefix, size);
    for (const chunk of chunks.slice(0, -1)) {
      framer.push(chunk);
      expect(framer.next()).toBe("short");
    }
    for (const chunk of chunks.slice(-1)) framer.push(chunk);
    expect(() => framer.next()).toThrow("larger than 1000 bytes");
  });
});

test.each([
  ["more than one message", Buffer.concat([framed(Buffer.alloc(1)), Buffer.of(0)]), "more than one message"],
  ["no message", Buffer.alloc(0), "no message"],
  ["a truncated prefix", Buffer.alloc(4), "truncated"],
  ["a truncated message", framed(Buffer.alloc(2)).subarray(0, 6), "truncated"],
  ["unknown flags", framed(Buffer.alloc(1), 2), "unknown flags (2)"],
  ["unnamed compression", framed(Buffer.alloc(1), 1), "grpc-encoding is missing"],
])("refuses a request with %s", (_, bytes, reason) => {
  const framer = new MessageFramer(SINGLE, undefined);
  if (bytes.length > 0) framer.push(bytes);
  framer.finish();
  expect(() => readAll(framer)).toThrow(reason);
});

test("takes an empty message as uncompressed, whatever its flag says", () => {
  const framer = new MessageFramer(SINGLE, "gzip");
  framer.push(framed(Buffer.alloc(0), 1));
  expect(framer.next()).toEqual({ encoding: undefined, chunks: [], length: 0 });
});
