import { type NatsConnection, StorageType, type StreamConfig } from "nats";
import { connectNats } from "../../support/nats/client.js";
import { startNatsDriver } from "../../support/nats/driver.js";
import { follow, historyClass, store, storedPublication, textsOf } from "../../support/nats/history.js";
import { startJetStream } from "../../support/nats/store.js";

const chat = historyClass();
const durable = { ...chat, storage: "file" as const };

/** A server with a stream of an operator that has one message. */
async function startArchive(stream: Pick<StreamConfig, "name" | "subjects">) {
  const server = await startJetStream();
  const connection = await connectNats(server);
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ ...stream, storage: StorageType.Memory });
  const subject = stream.subjects[0]?.replace(">", "chat._.kept").replace("*", "kept") ?? "";
  await connection.jetstream().publish(subject, "kept");
  const { driver } = await startNatsDriver({ servers: [server.url], confirmTimeout: 2_000 });
  return { connection, driver, server };
}

async function describeStream(connection: NatsConnection, name: string) {
  const { config, state } = await (await connection.jetstreamManager()).streams.info(name);
  return { subjects: config.subjects, storage: config.storage, messages: state.messages };
}

test.each([
  {
    title: "has another name",
    name: "ARCHIVE",
    subjects: ["carillon-history.>"],
    fault: "subjects are used by stream ARCHIVE, which is not Carillon's",
  },
  {
    title: "has only the subject of the anchors",
    name: "ANCHORS",
    subjects: ["carillon-history.$anchor.chat._.*"],
    fault: "subjects are used by stream ANCHORS, which is not Carillon's",
  },
  {
    title: "has the class's name and other subjects",
    name: "carillon-history_chat",
    subjects: ["carillon-history.>"],
    fault:
      "stream carillon-history_chat has other subjects, retention or republishing than Carillon's: rename or delete it",
  },
])("N11: leaves a stream alone that $title, and publishes are unavailable until it is gone", async (foreign) => {
  const { fault, name, subjects } = foreign;
  const { connection, driver } = await startArchive({ name, subjects });

  for (const settings of [chat, durable]) {
    expect(await driver.history.prepareClasses("/", [settings])).toEqual([`history class "chat": ${fault}`]);
    await expect(store(driver, storedPublication("a", "1", settings))).rejects.toMatchObject({
      code: "unavailable",
      message: fault,
    });
    expect(await describeStream(connection, name)).toEqual({ subjects, storage: "memory", messages: 1 });
  }

  await (await connection.jetstreamManager()).streams.delete(name);
  expect(await driver.history.prepareClasses("/", [durable])).toEqual([]);
  await store(driver, storedPublication("a", "2", durable));
  expect(await describeStream(connection, "carillon-history_chat")).toMatchObject({ storage: "file" });
});

test("N11: a node that starts with another storage uses the stream as it is, and says so", async () => {
  const server = await startJetStream();
  const first = await startNatsDriver({ servers: [server.url] });
  expect(await first.driver.history.prepareClasses("/", [chat])).toEqual([]);
  const { position } = await store(first.driver, storedPublication("a", "1", chat));

  const { driver } = await startNatsDriver({ servers: [server.url] });
  const changed = { ...durable, messages: 50 };
  const fault = 'history class "chat": stored in memory until stream carillon-history_chat is deleted';
  expect(await driver.history.prepareClasses("/", [changed])).toEqual([fault]);
  expect(await driver.history.prepareClasses("/", [changed])).toEqual([fault]);
  const topic = await follow(driver, "a", changed);
  await store(driver, storedPublication("a", "2", changed));

  expect(await topic.next(1)).toEqual(["2"]);
  expect(textsOf((await topic.recover(position)).messages)).toEqual(["2"]);
  expect(textsOf((await topic.rewind(5)).messages)).toEqual(["1", "2"]);
  const manager = await (await connectNats(server)).jetstreamManager();
  expect((await manager.streams.info("carillon-history_chat")).config.max_msgs_per_subject).toBe(50);
  // The other node's settings were always these: no change of this node's settings led from memory to file.
  expect(await first.driver.history.prepareClasses("/", [chat])).toEqual([]);
  expect(textsOf((await topic.rewind(5)).messages)).toEqual(["1", "2"]);
});
