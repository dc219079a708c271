import { connectNats, listenTo } from "../../support/nats/client.js";
import { startNatsDriver } from "../../support/nats/driver.js";
import { follow, historyClass, payloadText, store, storedPublication, textsOf } from "../../support/nats/history.js";
import { startJetStream } from "../../support/nats/store.js";

const chat = historyClass();

async function startStore() {
  const server = await startJetStream();
  const { driver } = await startNatsDriver({ servers: [server.url] });
  return { server, driver };
}

test("H1: the receipt has the position with which every subscriber receives the message", async () => {
  const { driver, server } = await startStore();
  const other = await startNatsDriver({ servers: [server.url] });
  const here = await follow(driver, "orders.42", chat);
  const there = await follow(other.driver, "orders.42", chat);

  const publication = storedPublication("orders.42", "shipped", chat, { event: "state", sender: "n.1", time: 1_234 });
  const receipt = await store(driver, publication);

  expect(receipt.duplicate).toBe(false);
  expect(receipt.position).toMatch(/^[\w.-]{1,64}$/);
  const { id, time } = publication.message;
  for (const topic of [here, there]) {
    const message = await topic.heard.next();
    const { event, position } = message;
    expect({
      event,
      id: message.id,
      position,
      sender: message.sender,
      text: payloadText(message),
      time: message.time,
    }).toEqual({
      event: "state",
      id,
      position: receipt.position,
      sender: "n.1",
      text: "shipped",
      time,
    });
    expect(topic.subscription.log?.position).toBe(receipt.position);
  }
});

test("H2: recovers all messages after a position, from the ring and from the store", async () => {
  const { driver, server } = await startStore();
  const here = await follow(driver, "a", chat);
  const empty = here.subscription.log?.position ?? "";
  const positions: string[] = [];
  for (const text of ["1", "2", "3"])
    positions.push((await store(driver, storedPublication("a", text, chat))).position);
  await here.next(3);

  const other = await startNatsDriver({ servers: [server.url] });
  const there = await follow(other.driver, "a", chat);
  for (const topic of [here, there]) {
    expect(textsOf((await topic.recover(empty)).messages)).toEqual(["1", "2", "3"]);
    expect(textsOf((await topic.recover(positions[0] ?? "")).messages)).toEqual(["2", "3"]);
    expect(await topic.recover(positions[2] ?? "")).toEqual({
      messages: [],
      position: positions[2],
      failure: undefined,
    });
    expect(textsOf((await topic.rewind(2)).messages)).toEqual(["2", "3"]);
  }
});

test("H5: a repeated id is a duplicate with the first receipt, and an id counts for each topic", async () => {
  const { driver } = await startStore();
  const a = await follow(driver, "a", chat);
  const b = await follow(driver, "b", chat);
  const first = storedPublication("a", "1", chat);
  const receipt = await store(driver, first);

  const again = { ...first, message: { ...first.message, time: first.message.time + 5 } };
  expect(await store(driver, again)).toEqual({ position: receipt.position, duplicate: true });
  expect((await store(driver, { ...first, topic: "b" })).duplicate).toBe(false);

  await store(driver, storedPublication("a", "2", chat));
  expect(await a.next(2)).toEqual(["1", "2"]);
  expect(await b.next(1)).toEqual(["1"]);
});

test("N10: plain NATS clients hear topics with history, and what they publish on the history subject is stored", async () => {
  const { driver, server } = await startStore();
  const topic = await follow(driver, "a", chat);
  const nats = await connectNats(server);
  const inbox = await listenTo(nats, "carillon._.a");

  nats.publish("carillon-history.chat._.a", "stored");
  nats.publish("carillon._.a", "live");
  await nats.flush();

  // The server republishes after it has stored, so that the order of the two is not fixed.
  expect([(await inbox.next()).string(), (await inbox.next()).string()].toSorted()).toEqual(["live", "stored"]);
  expect((await topic.next(2)).toSorted()).toEqual(["live", "stored"]);
  expect(textsOf((await topic.rewind(10)).messages)).toEqual(["stored"]);
});

test("N12: a stored message has its id in Carillon-Id, and the id and the topic in Nats-Msg-Id", async () => {
  const { driver, server } = await startStore();
  const inbox = await listenTo(await connectNats(server), "carillon._.a");
  const { message, ...publication } = storedPublication("a", "1", chat, { event: "state" });

  await store(driver, { ...publication, message });

  const { headers } = await inbox.next();
  expect(headers?.get("Carillon-Id")).toBe(message.id);
  expect(headers?.get("Nats-Msg-Id")).toBe(`${message.id} a`);
  expect(headers?.get("Carillon-Event")).toBe("state");
  expect(headers?.get("Nats-Subject")).toBe("carillon-history.chat._.a");
});

test("N13: a position is no longer valid when another message has the sequence", async () => {
  const { driver, server } = await startStore();
  const manager = await (await connectNats(server)).jetstreamManager();
  const receipts = [
    await store(driver, storedPublication("a", "1", chat)),
    await store(driver, storedPublication("a", "2", chat)),
  ];
  await manager.streams.delete("carillon-history_chat");
  const other = await startNatsDriver({ servers: [server.url] });
  await other.driver.history.prepareClasses("/", [chat]);
  for (const text of ["1", "2", "3"]) await store(other.driver, storedPublication("a", text, chat));

  const topic = await follow(other.driver, "a", chat);

  for (const { position } of receipts) {
    expect(await topic.recover(position)).toMatchObject({ messages: [], failure: "unknown_position" });
  }
});
