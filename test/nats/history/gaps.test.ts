import type { Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { connect } from "nats";
import { startNatsDriver } from "../../support/nats/driver.js";
import { follow, historyClass, store, storedPublication, textsOf } from "../../support/nats/history.js";
import { startNatsProxy } from "../../support/nats/proxy.js";
import { startJetStream } from "../../support/nats/store.js";
import { startTcpProxy } from "../../support/net/tcp-proxy.js";

const chat = historyClass();

/** Starts a publisher, and a node whose connections pass through a proxy that drops the first message with `lost` in it. */
async function startLossy(checkInterval?: number) {
  const server = await startJetStream();
  const { driver: publisher } = await startNatsDriver({ servers: [server.url] });
  const dropped: string[] = [];
  const proxy = await startTcpProxy(server.port, (client: Socket, upstream: Socket) => {
    client.pipe(upstream);
    upstream.on("data", (bytes: Buffer) => {
      client.write(withoutLost(bytes, dropped));
    });
  });
  const { driver } = await startNatsDriver({ servers: [proxy.natsUrl] }, { checkInterval });
  return { server, publisher, driver, dropped };
}

/** Removes the message with `lost-` and a name in it, unless it was removed before. */
function withoutLost(bytes: Buffer, dropped: string[]): Buffer {
  const text = bytes.toString("latin1");
  const name = /lost-\w+/.exec(text)?.[0];
  if (name === undefined || dropped.includes(name)) return bytes;
  dropped.push(name);
  const begin = text.lastIndexOf("HMSG ", text.indexOf(name));
  const [line = "", size = "0"] = /^HMSG .* (\d+)\r\n/.exec(text.slice(begin)) ?? [];
  const end = begin + line.length + Number(size) + 2;
  return Buffer.concat([bytes.subarray(0, begin), bytes.subarray(end)]);
}

test("N14: reads messages that did not arrive before it delivers the next one", async () => {
  const { driver, dropped, publisher } = await startLossy();
  const topic = await follow(driver, "a", chat);

  for (const text of ["1", "lost-2", "lost-3", "4", "5"]) await store(publisher, storedPublication("a", text, chat));

  expect(await topic.next(5)).toEqual(["1", "lost-2", "lost-3", "4", "5"]);
  expect(dropped).toEqual(["lost-2", "lost-3"]);
  expect(driver.history.counts).toMatchObject({ gaps: 1, gapMessages: expect.any(Number) as number, resets: 0 });
});

test("N14: reads the first messages of a topic that did not arrive", async () => {
  const { driver, publisher } = await startLossy();
  const topic = await follow(driver, "a", chat);
  const start = topic.subscription.log?.position ?? "";

  for (const text of ["lost-1", "2"]) await store(publisher, storedPublication("a", text, chat));

  expect(await topic.next(2)).toEqual(["lost-1", "2"]);
  expect(textsOf((await topic.recover(start)).messages)).toEqual(["lost-1", "2"]);
});

test("N14: finds by a check that the last message did not arrive", async () => {
  const { driver, publisher } = await startLossy(200);
  const topic = await follow(driver, "a", chat);
  const empty = await follow(driver, "b", chat);

  await store(publisher, storedPublication("a", "1", chat));
  await store(publisher, storedPublication("a", "lost-2", chat));
  await store(publisher, storedPublication("b", "lost-1", chat));

  expect(await topic.next(2)).toEqual(["1", "lost-2"]);
  expect(await empty.next(1)).toEqual(["lost-1"]);
});

test("N14: delivers what was stored while the node was disconnected, at once after it has reconnected", async () => {
  const server = await startJetStream();
  const proxy = await startNatsProxy(server.port);
  const { driver: publisher } = await startNatsDriver({ servers: [server.url] });
  const { downs, driver, ups } = await startNatsDriver({ servers: [proxy.url] });
  await ups.next();
  const topic = await follow(driver, "a", chat);
  const empty = await follow(driver, "b", chat);
  await store(publisher, storedPublication("a", "1", chat));
  expect(await topic.next(1)).toEqual(["1"]);

  proxy.cut();
  await downs.next();
  for (const text of ["2", "3"]) await store(publisher, storedPublication("a", text, chat));
  await store(publisher, storedPublication("b", "first", chat));

  expect(await topic.next(2)).toEqual(["2", "3"]);
  expect(await empty.next(1)).toEqual(["first"]);
});

test("N14: begins the log anew when a memory stream has lost its messages", async () => {
  const server = await startJetStream();
  const { downs, driver, ups } = await startNatsDriver({ servers: [server.url] });
  await ups.next();
  const topic = await follow(driver, "a", chat);
  const empty = topic.subscription.log?.position ?? "";
  const positions = [empty];
  for (const text of ["1", "2", "3"])
    positions.push((await store(driver, storedPublication("a", text, chat))).position);
  await topic.next(3);

  await server.kill();
  await server.start();
  await downs.next();
  await ups.next();
  for (const text of ["4", "5", "6", "7", "8"]) await store(driver, storedPublication("a", text, chat));

  expect(await topic.next(5)).toEqual(["4", "5", "6", "7", "8"]);
  const other = await startNatsDriver({ servers: [server.url] });
  const there = await follow(other.driver, "a", chat);
  for (const position of positions) {
    for (const each of [topic, there]) {
      const { failure, messages } = await each.recover(position);
      expect(messages).toEqual([]);
      expect(failure).toMatch(/^(?:unknown_position|expired)$/);
    }
  }
  expect(driver.history.counts.resets).toBe(1);
});

test.each(["recovers", "rewinds"])(
  "H2: gives a client that %s each message once when the stream began anew and the node has not noticed it",
  async (way) => {
    const { driver, dropped, publisher, server } = await startLossy();
    for (const text of ["1", "2", "3", "4", "5"]) await store(publisher, storedPublication("a", text, chat));
    const topic = await follow(driver, "a", chat);
    const connection = await connect({ servers: server.url });
    const { streams } = await connection.jetstreamManager();
    await streams.delete("carillon-history_chat");
    await connection.close();
    const { position } = await store(publisher, storedPublication("a", "lost-6", chat));
    await store(publisher, storedPublication("a", "lost-7", chat));
    while (dropped.length < 2) await setImmediate();

    const { failure, messages } = await (way === "recovers" ? topic.recover(position) : topic.rewind(10));
    // Members get these before the client joins.
    const earlier = topic.heard.unread.length;
    await store(publisher, storedPublication("a", "8", chat));
    const live = await topic.next(3);

    expect(failure).toBeUndefined();
    expect([...textsOf(messages), ...live.slice(earlier)]).toEqual([
      ...(way === "recovers" ? [] : ["lost-6"]),
      "lost-7",
      "8",
    ]);
    expect(live).toEqual(["lost-6", "lost-7", "8"]);
  },
);

test("H10: lets positions before a purge expire, also while a client is away, and lists no mark", async () => {
  const server = await startJetStream();
  const { driver } = await startNatsDriver({ servers: [server.url] });
  const other = await startNatsDriver({ servers: [server.url] });
  const topic = await follow(driver, "a", chat);
  const { position } = await store(driver, storedPublication("a", "1", chat));
  expect(await topic.next(1)).toEqual(["1"]);

  expect(await other.driver.history.purge({ vhost: "/", topic: "a", history: chat })).toBe(1);
  await store(driver, storedPublication("a", "2", chat));

  expect(await topic.next(1)).toEqual(["2"]);
  const there = await follow(other.driver, "a", chat);
  for (const each of [topic, there]) {
    expect(await each.recover(position)).toMatchObject({ messages: [], failure: "expired" });
    expect(textsOf((await each.rewind(10)).messages)).toEqual(["2"]);
  }
});
