import { connectNats } from "../../support/nats/client.js";
import { startNatsCluster } from "../../support/nats/cluster.js";
import { startNatsDriver } from "../../support/nats/driver.js";
import { follow, historyClass, store, storedPublication, textsOf } from "../../support/nats/history.js";
import { temporaryFolder } from "../../support/temporary-files.js";

const safe = historyClass({ name: "safe", replicas: 3, storage: "file", messages: 1_000 });

test("H4: stores and delivers every message once, in one order, while the leader of the stream is killed", async () => {
  const servers = await startNatsCluster(3, () => `jetstream { store_dir: "${temporaryFolder()}" }`);
  const urls = servers.map(({ url }) => url);
  const drivers = await Promise.all(
    urls.map((_, first) => startNatsDriver({ servers: [...urls.slice(first), ...urls.slice(0, first)] })),
  );
  const [one] = drivers;
  const [server] = servers;
  if (one === undefined || server === undefined) throw new Error("too few");
  // The servers need a moment to elect their leaders.
  while ((await one.driver.history.prepareClasses("/", [safe])).length > 0);
  const topics = await Promise.all(drivers.map(({ driver }) => follow(driver, "a", safe)));
  const start = topics[0]?.subscription.log?.position ?? "";
  const positions = new Map<string, string>();
  const publish = async (text: string): Promise<void> => {
    const publication = storedPublication("a", text, safe);
    for (let turn = 0; ; turn += 1) {
      const driver = drivers[turn % drivers.length]?.driver ?? one.driver;
      const receipt = await store(driver, publication).catch((cause: unknown) => cause as Error);
      if (!(receipt instanceof Error)) {
        positions.set(receipt.position, text);
        return;
      }
      expect(receipt).toMatchObject({ code: "unavailable" });
    }
  };

  for (let index = 0; index < 20; index += 1) await publish(`before ${index}`);
  const info = await (await (await connectNats(server)).jetstreamManager()).streams.info("carillon-history_safe");
  const leader = servers[Number(info.cluster?.leader?.slice(1))];
  const publishing = Promise.all(Array.from({ length: 60 }, (_, index) => publish(`during ${index}`)));
  await leader?.kill();
  await publishing;
  for (let index = 0; index < 20; index += 1) await publish(`after ${index}`);

  const [first, ...others] = await Promise.all(topics.map((topic) => topic.next(100)));
  for (const other of others) expect(other).toEqual(first);
  expect(new Set(first).size).toBe(100);
  expect(positions.size).toBe(100);
  for (const topic of topics) {
    let replay = await topic.recover(start);
    // A node whose connection to the store is not back yet says so, and the client tries again.
    while (replay.failure === "unavailable") replay = await topic.recover(start);
    const { failure, messages } = replay;
    expect({ failure, texts: textsOf(messages) }).toEqual({ failure: undefined, texts: first });
    for (const { payload, position } of messages) expect(positions.get(position)).toBe(Buffer.from(payload).toString());
  }
});
