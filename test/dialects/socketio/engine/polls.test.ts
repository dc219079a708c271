import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Polls, TAKE_TIMEOUT } from "../../../../src/dialects/socketio/engine/polls.js";
import { cleanUp } from "../../../support/clean-up.js";
import { ManualClock } from "../../../support/manual-clock.js";
import { connectRaw, type RawClient } from "../../../support/raw/client.js";

/** More than the socket buffers of both ends hold for one connection. */
const LARGE = "x".repeat(32 * 1_048_576);

async function stage() {
  const clock = new ManualClock();
  const lost: string[] = [];
  const polls = new Polls({ clock, onLost: (why) => lost.push(why) });
  const waiting: ((response: ServerResponse) => void)[] = [];
  const server = createServer((_request, response) => waiting.shift()?.(response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  /** Sends a request on a connection of its own, whose answer is not read for now. */
  const ask = async (
    header = "Accept: */*",
  ): Promise<{ readonly client: RawClient; readonly response: ServerResponse }> => {
    const client = await connectRaw(url);
    client.socket.pause();
    const response = await new Promise<ServerResponse>((resolve) => {
      waiting.push(resolve);
      client.send(`GET / HTTP/1.1\r\nHost: test\r\n${header}\r\n\r\n`);
    });
    return { client, response };
  };
  return { clock, lost, polls, ask };
}

test("O6: handles a poll when the client has taken the answer before it, and refuses a second waiting one", async () => {
  const { ask, clock, lost, polls } = await stage();
  const first = await ask();
  const second = await ask();
  const third = await ask();
  const given: string[] = [];
  expect(polls.take(first.response, () => given.push("first"))).toBe(true);
  first.response.end(LARGE);
  polls.whenTaken(() => given.push("taken"));
  expect(polls.take(second.response, () => given.push("second"))).toBe(true);
  expect(polls.take(third.response, () => given.push("third"))).toBe(false);
  clock.advance(TAKE_TIMEOUT - 1);
  expect(given).toEqual(["first"]);
  first.client.socket.resume();
  await once(first.response, "finish");
  expect(given).toEqual(["first", "taken", "second"]);
  expect(clock.timers).toBe(0);
  clock.advance(TAKE_TIMEOUT);
  expect(lost).toEqual([]);
});

test("O6: cuts off an answer that is not taken in time, with and without another poll waiting", async () => {
  const { ask, clock, lost, polls } = await stage();
  const { response } = await ask();
  polls.take(response, () => response.end(LARGE));
  polls.whenTaken(() => {});
  clock.advance(TAKE_TIMEOUT - 1);
  expect(lost).toEqual([]);
  clock.advance(1);
  expect(lost).toEqual(["too slow"]);
});

test("I15: reports a lost answer, because the client would miss packets", async () => {
  const { ask, lost, polls } = await stage();
  const { client, response } = await ask();
  polls.take(response, () => response.end(LARGE));
  client.socket.destroy();
  await once(response, "close");
  expect(lost).toEqual(["gone"]);
});

test("I15: counts an answer that ends its connection as taken", async () => {
  const { ask, clock, lost, polls } = await stage();
  const { client, response } = await ask("Connection: close");
  polls.take(response, () => response.end("x"));
  client.socket.resume();
  await once(response, "close");
  await client.gone;
  expect(lost).toEqual([]);
  expect(clock.timers).toBe(0);
});

test("O6: gives the last answer time at the end, and handles the waiting poll", async () => {
  const { ask, clock, polls } = await stage();
  const { response } = await ask();
  const second = await ask();
  let given = false;
  polls.take(response, () => response.end(LARGE));
  polls.take(second.response, () => {
    given = true;
  });
  polls.end(1_000);
  expect(given).toBe(true);
  clock.advance(999);
  expect(response.destroyed).toBe(false);
  clock.advance(1);
  expect(response.destroyed).toBe(true);
});

test("handles a poll beside an unanswered one at once, without replacing it", async () => {
  const { ask, polls } = await stage();
  const { response } = await ask();
  const beside = await ask();
  let taken = false;
  polls.take(response, () => {});
  expect(polls.take(beside.response, () => beside.response.end("no"))).toBe(true);
  response.end(LARGE);
  polls.whenTaken(() => {
    taken = true;
  });
  await once(beside.response, "close");
  expect(taken).toBe(false);
});

test("O6: cuts off an untaken answer in time at the end, even when another poll is held", async () => {
  const { ask, clock, polls } = await stage();
  const first = await ask();
  const second = await ask();
  polls.take(first.response, () => first.response.end(LARGE));
  polls.take(second.response, () => second.response.end("it is over"));
  polls.end(3_000);
  await once(second.response, "finish");
  expect(first.response.destroyed).toBe(false);
  clock.advance(3_000);
  expect(first.response.destroyed).toBe(true);
});
