import { PassThrough } from "node:stream";
import { HeldSocket } from "../../../src/transport/admission/held-socket.js";

const nothing = (): void => {};

test("O6: from 64 KiB on a held socket is not read; what has come is given whole, and the rest comes after it", async () => {
  const socket = new PassThrough();
  const held = new HeldSocket(socket, Buffer.from("head "), nothing);
  const chunk = Buffer.alloc(10_000, "x");
  let written = 0;
  while (!socket.isPaused()) {
    socket.write(chunk);
    written += chunk.length;
    await new Promise(setImmediate);
  }
  expect(written).toBe(70_000);
  socket.write("rest");
  await new Promise(setImmediate);
  expect(held.take().toString()).toBe(`head ${"x".repeat(70_000)}`);
  let later = "";
  socket.on("data", (text: Buffer) => {
    later += text.toString();
  });
  await new Promise(setImmediate);
  expect(later).toBe("rest");
});

test("what is taken at once is what came with the request", () => {
  const head = Buffer.from("head");
  expect(new HeldSocket(new PassThrough(), head, nothing).take()).toBe(head);
});

test("who has taken a socket is told nothing of its end", async () => {
  const socket = new PassThrough();
  let gone = 0;
  const held = new HeldSocket(socket, Buffer.alloc(0), () => {
    gone += 1;
  });
  held.take();
  socket.destroy();
  await new Promise(setImmediate);
  expect([gone, socket.listenerCount("data"), socket.listenerCount("error")]).toEqual([0, 0, 0]);
});
