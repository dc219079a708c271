import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { type WebSocket, WebSocketServer } from "ws";
import { ByteBudget } from "../../../src/net/byte-budget.js";
import { FREE_BYTES } from "../../../src/net/held-bytes.js";
import { MessageDeadlines } from "../../../src/transport/receiving/message-deadlines.js";
import { type CutReason, MessageMeter } from "../../../src/transport/receiving/message-meter.js";
import { createReceiverLimits } from "../../../src/transport/receiving/receiver-limits.js";
import { PIECE_COST } from "../../../src/transport/receiving/receiver-parts.js";
import { ManualClock } from "../../support/manual-clock.js";
import { frame, OPCODE } from "../../support/raw/client.js";

const FRAME_BYTES = 1 << 20;
const HEADER_BYTES = 14;
const PING_BYTES = 7;

interface Metered {
  readonly budget: ByteBudget;
  readonly meter: MessageMeter;
  readonly webSocket: WebSocket;
  readonly cuts: CutReason[];
  /** Delivers a chunk to the connection, like its socket. */
  readonly read: (chunk: Buffer) => Promise<void>;
}

/** Creates a WebSocket of the library on a stream, with a meter. */
async function openMetered(clock: ManualClock, limit = 64 << 20): Promise<Metered> {
  const budget = new ByteBudget(limit);
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const request = new IncomingMessage(new Socket());
  request.method = "GET";
  const upgrade = {
    upgrade: "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
  };
  Object.assign(request.headers, upgrade);
  const server = new WebSocketServer({ noServer: true, ...createReceiverLimits(FRAME_BYTES) });
  const webSocket = await new Promise<WebSocket>((resolve) => {
    server.handleUpgrade(request, socket, Buffer.alloc(0), resolve);
  });
  const cuts: CutReason[] = [];
  const meter = new MessageMeter({
    webSocket,
    socket,
    lease: budget.open({ address: "192.0.2.1" }),
    deadlines: new MessageDeadlines({ clock, timeout: 1_000 }),
    onCut: (reason) => cuts.push(reason),
  });
  webSocket.on("error", () => {});
  webSocket.on("message", () => meter.complete());
  const read = async (chunk: Buffer): Promise<void> => {
    socket.push(chunk);
    await new Promise(setImmediate);
  };
  return { budget, meter, webSocket, cuts, read };
}

const messages = fc.array(fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 1, maxLength: 5 }), {
  maxLength: 5,
});
// The library fails a connection that buffers more than 16,384 chunks, so frames of 40,000 bytes come in larger ones.
const chunkSizes = fc.array(fc.integer({ min: 16, max: 65_536 }), { minLength: 1, maxLength: 20 });

test("L18: takes the bytes of an incomplete message from the budget, for any split into frames and chunks", async () => {
  await fc.assert(
    fc.asyncProperty(messages, chunkSizes, async (all, sizes) => {
      const { budget, read, webSocket } = await openMetered(new ManualClock());
      const stream: Buffer[] = [];
      // Start and end of each message in the stream.
      const bounds: { readonly begin: number; readonly end: number; readonly frames: number }[] = [];
      let length = 0;
      for (const lengths of all) {
        const begin = length;
        for (const [index, bytes] of lengths.entries()) {
          const opcode = index === 0 ? OPCODE.binary : OPCODE.continuation;
          const ping = frame(OPCODE.ping, "p");
          const part = Buffer.concat([
            frame(opcode, Buffer.alloc(bytes, 1), { final: index === lengths.length - 1 }),
            ping,
          ]);
          stream.push(part);
          length += part.length;
        }
        bounds.push({ begin, end: length - PING_BYTES, frames: lengths.length });
      }
      const bytes = Buffer.concat(stream);
      let chunks = 0;
      for (let position = 0; position < bytes.length; ) {
        const chunk = bytes.subarray(position, position + (sizes[chunks % sizes.length] ?? 1));
        // Each chunk has its own memory, like chunks of sockets.
        await read(Buffer.from(new Uint8Array(chunk).buffer));
        chunks += 1;
        position += chunk.length;
        const message = bounds.find(({ begin, end }) => begin < position && position < end);
        const came = message === undefined ? 0 : position - message.begin;
        const frames = message?.frames ?? 0;
        const pieces = message === undefined ? 0 : (chunks + frames) * PIECE_COST + HEADER_BYTES;
        expect(budget.used).toBeGreaterThanOrEqual(
          Math.max(0, came - frames * (HEADER_BYTES + PING_BYTES) - FREE_BYTES),
        );
        expect(budget.used).toBeLessThanOrEqual(Math.max(0, came + pieces - FREE_BYTES));
      }
      webSocket.terminate();
      await new Promise(setImmediate);
      expect(budget.used).toBe(0);
    }),
    { numRuns: 30 },
  );
});

test("L18: releases the bytes of an incomplete message once when its connection ends", async () => {
  const { budget, meter, read, webSocket } = await openMetered(new ManualClock());
  await read(frame(OPCODE.text, Buffer.alloc(50_000), { claims: 60_000n }));
  expect(budget.used).toBeGreaterThanOrEqual(50_000 - FREE_BYTES);
  webSocket.terminate();
  await new Promise(setImmediate);
  expect(budget.used).toBe(0);
  meter.measure();
  meter.settle();
  expect(budget.used).toBe(0);
});

test("L18: copies small pieces of large chunks, so that they do not pin the chunks", async () => {
  const { read, webSocket } = await openMetered(new ManualClock());
  const chunk = Buffer.concat([
    frame(OPCODE.text, "a", { final: false }),
    ...Array.from({ length: 5_000 }, () => frame(OPCODE.pong, "p")),
    frame(OPCODE.continuation, "b", { final: false }),
    frame(OPCODE.continuation, "cd").subarray(0, 7),
  ]);
  await read(Buffer.from(new Uint8Array(chunk).buffer));
  const { _receiver: receiver } = webSocket as unknown as { _receiver: Record<string, Buffer | Buffer[]> };
  const kept = ["_fragments", "_buffers", "_mask"].flatMap((name) => receiver[name] ?? []);
  expect(kept.map(({ buffer }) => buffer.byteLength)).toEqual([1, 1, 1, 4]);
});

test("L18: cuts a connection whose message times out, but not one with a stream of messages that each arrive in time", async () => {
  const clock = new ManualClock();
  const { budget, cuts, read } = await openMetered(clock);
  const half = frame(OPCODE.binary, Buffer.alloc(20_000), { claims: 40_000n });
  const rest = Buffer.alloc(20_000);
  await read(half);
  for (let count = 0; count < 5; count += 1) {
    clock.advance(600);
    await read(Buffer.concat([rest, half]));
  }
  expect(cuts).toEqual([]);
  clock.advance(600);
  await read(frame(OPCODE.ping));
  clock.advance(600);
  expect(cuts).toEqual(["message_timeout"]);
  expect(budget.used).toBe(0);
});

test("L18: neither cuts an idle connection after a complete message nor leaves a timer", async () => {
  const clock = new ManualClock();
  const { cuts, read } = await openMetered(clock);
  await read(frame(OPCODE.binary, Buffer.alloc(5), { claims: 10n }));
  await read(Buffer.alloc(5));
  clock.advance(5_000);
  expect(cuts).toEqual([]);
  expect(clock.timers).toBe(0);
});

test("L18: does not count time in which this side does not read", async () => {
  const clock = new ManualClock();
  const { cuts, read, webSocket } = await openMetered(clock);
  await read(frame(OPCODE.text, "x", { claims: 10n }));
  webSocket.pause();
  clock.advance(2_000);
  webSocket.resume();
  clock.advance(900);
  expect(cuts).toEqual([]);
  clock.advance(1_000);
  expect(cuts).toEqual(["message_timeout"]);
});

test("L18: counts messages until their commands have been executed", async () => {
  const { budget, cuts, meter } = await openMetered(new ManualClock(), 200_000);
  expect(meter.hold(FREE_BYTES)).toBe(true);
  expect(budget.used).toBe(0);
  expect(meter.hold(40_000)).toBe(true);
  expect(budget.used).toBe(40_000);
  expect(meter.hold(20_000)).toBe(false);
  expect(cuts).toEqual(["overloaded"]);
  meter.settle();
  expect(budget.used).toBe(0);
});
