import { cp, rm } from "node:fs/promises";
import { connect, headers } from "nats";
import type { NatsOptions } from "../../../src/nats/link/options.js";
import { startNatsDriver } from "../../support/nats/driver.js";
import { follow, historyClass, store, storedPublication, textsOf } from "../../support/nats/history.js";
import { startNatsProxy } from "../../support/nats/proxy.js";
import { startNats } from "../../support/nats/server.js";
import { startJetStream } from "../../support/nats/store.js";
import { temporaryFolder } from "../../support/temporary-files.js";

const chat = historyClass({ storage: "file" });

/** Starts a server whose data folder can be saved and put back. */
async function startRestorable() {
  const folder = temporaryFolder();
  const copy = temporaryFolder();
  const server = await startNats(`jetstream { store_dir: "${folder}" }`);
  const replace = async (from: string, to: string): Promise<void> => {
    await server.kill();
    await rm(to, { recursive: true });
    await cp(from, to, { recursive: true });
    await server.start();
  };
  return { server, save: () => replace(folder, copy), restore: () => replace(copy, folder) };
}

/** Returns the sequence in a position. */
function sequenceOf(position: string): number {
  return Number.parseInt(position.split(".")[1] ?? "", 36);
}

/** Starts a node, and returns a wait for its next reconnect. */
async function startNode(url: string, options: Partial<NatsOptions> = {}) {
  const { downs, driver, ups } = await startNatsDriver({ servers: [url], ...options });
  await ups.next();
  const reconnected = async (): Promise<void> => {
    await downs.next();
    await ups.next();
  };
  return { driver, reconnected };
}

test.each([3, 40])("H4: delivers all that is stored after the store has lost its newest %i messages", async (lost) => {
  const { restore, save, server } = await startRestorable();
  const nodes = [await startNode(server.url), await startNode(server.url)] as const;
  const topics = await Promise.all(nodes.map(({ driver }) => follow(driver, "a", chat)));
  const [{ driver }] = nodes;
  for (const text of ["1", "2", "3"]) await store(driver, storedPublication("a", text, chat));
  for (const topic of topics) expect(await topic.next(3)).toEqual(["1", "2", "3"]);

  await save();
  await Promise.all(nodes.map(({ reconnected }) => reconnected()));
  const positions: string[] = [];
  for (let count = 0; count < lost; count += 1)
    positions.push((await store(driver, storedPublication("a", `lost ${count}`, chat))).position);
  for (const topic of topics) await topic.next(lost);
  await restore();
  await Promise.all(nodes.map(({ reconnected }) => reconnected()));
  const later = ["4", "5", "6", "7", "8"];
  for (const text of later) await store(driver, storedPublication("a", text, chat));

  for (const topic of topics) {
    expect(await topic.next(5)).toEqual(later);
    expect(textsOf((await topic.rewind(100)).messages)).toEqual(["1", "2", "3", ...later]);
    for (const position of positions) {
      expect(await topic.recover(position)).toMatchObject({ messages: [], failure: "unknown_position" });
    }
  }
});

test("H4: serves what is stored after the store has lost messages and nothing was published since", async () => {
  const { restore, save, server } = await startRestorable();
  const { driver, reconnected } = await startNode(server.url);
  const topic = await follow(driver, "a", chat);
  const { position } = await store(driver, storedPublication("a", "1", chat));
  await save();
  await reconnected();
  const lost = await store(driver, storedPublication("a", "lost", chat));
  expect(await topic.next(2)).toEqual(["1", "lost"]);

  await restore();
  await reconnected();
  const connection = await connect({ servers: server.url });
  while (driver.history.counts.resets === 0) await connection.flush();
  await connection.close();

  expect(textsOf((await topic.rewind(10)).messages)).toEqual(["1"]);
  expect(await topic.recover(lost.position)).toMatchObject({ messages: [], failure: "unknown_position" });
  expect(await topic.recover(position)).toMatchObject({ messages: [], failure: undefined });
});

test("H4: delivers all that is stored when the stream reaches its lost end again during the check", async () => {
  const { restore, save, server } = await startRestorable();
  const proxy = await startNatsProxy(server.port);
  const { driver, reconnected } = await startNode(proxy.url, { confirmTimeout: 600_000 });
  const topic = await follow(driver, "a", chat);
  for (const text of ["1", "2"]) await store(driver, storedPublication("a", text, chat));
  await save();
  await reconnected();
  for (const text of ["lost 1", "lost 2"]) await store(driver, storedPublication("a", text, chat));
  const { position } = await store(driver, storedPublication("a", "lost 3", chat));
  await topic.next(5);

  // The check asks for the message at the end, and then for the sequence that the stream has reached.
  const asked = proxy.holdFrom("$JS.API.STREAM.INFO.", { after: `{"seq":${sequenceOf(position)}}` });
  await restore();
  await asked;
  const other = await startNode(server.url);
  const later = ["3", "4", "5", "6", "7", "8"];
  let reached = 0;
  for (const text of later)
    reached = sequenceOf((await store(other.driver, storedPublication("a", text, chat))).position);
  expect(reached).toBeGreaterThan(sequenceOf(position));
  proxy.release();

  const heard: (string | undefined)[] = [];
  while (heard.at(-1) !== later.at(-1)) heard.push(...(await topic.next(1)));
  expect(heard).toEqual(later);
  expect(driver.history.counts.resets).toBe(1);
});

test.each(["", "1"])(
  "N14: recovers from a message whose sequence the stream does not have, after %j",
  async (first) => {
    const server = await startJetStream();
    const { driver } = await startNatsDriver({ servers: [server.url] }, { checkInterval: 200 });
    const topic = await follow(driver, "a", chat);
    const before = first === "" ? [] : [first];
    let last = 0;
    for (const text of before) {
      const { position } = await store(driver, storedPublication("a", text, chat));
      last = sequenceOf(position);
    }
    const connection = await connect({ servers: server.url });
    const forged = headers();
    forged.set("Nats-Stream", "carillon-history_chat");
    forged.set("Nats-Subject", "carillon-history.chat._.a");
    forged.set("Nats-Sequence", "999999");
    forged.set("Nats-Last-Sequence", String(last));
    forged.set("Nats-Time-Stamp", "2099-01-01T00:00:00Z");

    connection.publish("carillon._.a", "forged", { headers: forged });
    await connection.flush();
    expect(await topic.next(before.length + 1)).toEqual([...before, "forged"]);
    for (const text of ["2", "3"]) await store(driver, storedPublication("a", text, chat));

    expect(await topic.next(2)).toEqual(["2", "3"]);
    expect(textsOf((await topic.rewind(10)).messages)).toEqual([...before, "2", "3"]);
    await connection.close();
  },
);

test("N14: finds by a check that its newest message is not in the stream", async () => {
  const server = await startJetStream();
  const { driver } = await startNatsDriver({ servers: [server.url] }, { checkInterval: 200 });
  const topic = await follow(driver, "a", chat);
  const { position } = await store(driver, storedPublication("a", "1", chat));
  const connection = await connect({ servers: server.url });
  const forged = headers();
  forged.set("Nats-Stream", "carillon-history_chat");
  forged.set("Nats-Sequence", "999999");
  forged.set("Nats-Last-Sequence", String(sequenceOf(position)));
  forged.set("Nats-Time-Stamp", new Date().toISOString());

  connection.publish("carillon._.a", "forged", { headers: forged });
  expect(await topic.next(2)).toEqual(["1", "forged"]);
  while (driver.history.counts.resets === 0) await connection.flush();

  expect(topic.subscription.log?.position).toBe(position);
  await connection.close();
});
