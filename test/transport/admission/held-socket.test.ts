import { PassThrough } from "node:stream";
import { ByteBudget } from "../../../src/net/byte-budget.js";
import { HeldSocket, type HeldSocketOptions } from "../../../src/transport/admission/held-socket.js";
import { ampleBudget } from "../../support/nodes/byte-budget.js";

/** Holds a socket and starts reading it. */
function hold(socket: PassThrough, head: Buffer, options: Partial<HeldSocketOptions> = {}): HeldSocket {
  const lease = ampleBudget().open({ address: "192.0.2.1" });
  const held = new HeldSocket({ socket, head, lease, onGone: () => {}, onOverloaded: () => {}, ...options });
  held.start();
  return held;
}

test("O6: stops reading a held socket after 64 KiB, and delivers the held bytes before later ones", async () => {
  const socket = new PassThrough();
  const held = hold(socket, Buffer.from("head "));
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

test("returns the bytes that arrived with the request when taken at once", () => {
  const head = Buffer.from("head");
  expect(hold(new PassThrough(), head).take()).toBe(head);
});

test("does not call onGone after the socket was taken", async () => {
  const socket = new PassThrough();
  let gone = 0;
  const held = hold(socket, Buffer.alloc(0), {
    onGone: () => {
      gone += 1;
    },
  });
  held.take();
  socket.destroy();
  await new Promise(setImmediate);
  expect([gone, socket.listenerCount("data"), socket.listenerCount("error")]).toEqual([0, 0, 0]);
});

test("L18: releases all counted bytes when the socket is taken or its peer disconnects", async () => {
  const budget = new ByteBudget(400_000);
  const holder = { address: "192.0.2.1" };
  for (const end of ["take", "destroy"] as const) {
    const socket = new PassThrough();
    const held = hold(socket, Buffer.alloc(10_000), { lease: budget.open(holder) });
    socket.write(Buffer.alloc(10_000));
    await new Promise(setImmediate);
    expect(budget.used).toBeGreaterThan(15_000);
    if (end === "take") held.take();
    else socket.destroy();
    await new Promise(setImmediate);
    expect(budget.used).toBe(0);
  }
});

test("L18: calls onOverloaded at once when the bytes after the request exceed the budget", () => {
  let overloaded = 0;
  const lease = new ByteBudget(40_000).open({ address: "192.0.2.1" });
  const onOverloaded = (): void => {
    overloaded += 1;
  };
  hold(new PassThrough(), Buffer.alloc(20_000), { lease, onOverloaded });
  expect(overloaded).toBe(1);
});
