import { startNatsDriver } from "../../support/nats/driver.js";
import { follow, historyClass, store, storedPublication, textsOf } from "../../support/nats/history.js";
import { startJetStream } from "../../support/nats/store.js";

const small = historyClass({ messages: 5 });
const large = historyClass({ messages: 500 });
const texts = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

/** Starts two nodes. */
async function startNodes() {
  const server = await startJetStream();
  const nodes = [await startNatsDriver({ servers: [server.url] }), await startNatsDriver({ servers: [server.url] })];
  return nodes.map(({ driver }) => driver);
}

test("H2: does not recover after an empty topic's position when a lower limit has removed messages before", async () => {
  const drivers = await startNodes();
  const [first, second] = drivers;
  if (first === undefined || second === undefined) throw new Error("no nodes");
  for (const { history } of drivers) expect(await history.prepareClasses("/", [small])).toEqual([]);
  const topic = await follow(first, "a", small);
  const position = topic.subscription.log?.position ?? "";
  for (const text of texts) await store(first, storedPublication("a", text, small));
  expect(await topic.next(9)).toEqual(texts);
  expect(await topic.recover(position)).toMatchObject({ messages: [], failure: "expired" });

  for (const { history } of drivers) expect(await history.prepareClasses("/", [large])).toEqual([]);

  const there = await follow(second, "a", large);
  for (const each of [topic, there])
    expect(await each.recover(position)).toMatchObject({ messages: [], failure: "expired" });
});

test("H2: recovers after an empty topic's position that was given out after the limit was raised", async () => {
  const drivers = await startNodes();
  const [first, second] = drivers;
  if (first === undefined || second === undefined) throw new Error("no nodes");
  for (const { history } of drivers) await history.prepareClasses("/", [small]);
  await follow(first, "a", small);
  await follow(second, "a", small);
  for (const { history } of drivers) await history.prepareClasses("/", [large]);

  const [b, there] = [await follow(first, "b", large), await follow(second, "b", large)];
  const positions = [b.subscription.log?.position ?? "", there.subscription.log?.position ?? ""];
  for (const text of texts) await store(first, storedPublication("b", text, large));
  expect(await b.next(9)).toEqual(texts);
  expect(await there.next(9)).toEqual(texts);

  for (const position of positions) {
    for (const each of [b, there]) {
      const { failure, messages } = await each.recover(position);
      expect({ failure, texts: textsOf(messages) }).toEqual({ failure: undefined, texts });
    }
  }
});

test("H5: the receipt of a duplicate has no position when the first message has been removed", async () => {
  const [driver] = await startNodes();
  if (driver === undefined) throw new Error("no node");
  const one = historyClass({ messages: 1 });
  const first = storedPublication("a", "1", one);
  const { position } = await store(driver, first);
  expect(await store(driver, first)).toEqual({ position, duplicate: true });

  await store(driver, storedPublication("a", "2", one));

  const again = { ...first, message: { ...first.message, time: first.message.time + 5 } };
  expect(await store(driver, again)).toEqual({ position: "", duplicate: true });
});
