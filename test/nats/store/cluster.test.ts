import { until } from "../../support/backends/backend.js";
import { startNatsCluster } from "../../support/nats/cluster.js";
import { startNatsStore, type TestStore } from "../../support/nats/store.js";
import { Queue } from "../../support/queue.js";
import { temporaryFolder } from "../../support/temporary-files.js";

/** Starts a store when the servers have elected a leader. */
async function startStore(url: string): Promise<TestStore> {
  const started = await startNatsStore(url, { replicas: 3 });
  await started.ups.next();
  return started;
}

test("creates once, reads acknowledged writes everywhere, and survives the death of a server in a NATS cluster", async () => {
  const servers = await startNatsCluster(3, () => `jetstream { store_dir: "${temporaryFolder()}" }`);
  const stores = await Promise.all(servers.map((server) => startStore(server.url)));
  const [one, two, three] = stores;
  const [server] = servers;
  if (one === undefined || two === undefined || three === undefined || server === undefined) throw new Error("too few");
  const queue = new Queue<string>();
  await two.store.watch("", ({ key, value }) => {
    queue.push(`${key} ${value}`);
  });

  for (let round = 0; round < 20; round += 1) {
    const settled = await Promise.allSettled(
      Array.from({ length: 9 }, (_, position) => stores[position % 3]?.store.create(`a/${round}`, String(position))),
    );
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const winner = settled.findIndex(({ status }) => status === "fulfilled");
    for (const { store } of stores) expect(await store.get(`a/${round}`)).toMatchObject({ value: String(winner) });
    expect(await queue.next()).toBe(`a/${round} ${winner}`);
  }

  await server.kill();
  // The node moves to another server. If the dead one led the bucket, the others elect a new leader.
  await one.downs.next();
  await one.ups.next();
  for (const [position, { store }] of stores.entries()) {
    for (;;) {
      const written = await store.create(`b/${position}`, "1").catch((cause: unknown) => cause);
      // An unacknowledged write may have taken effect.
      if (typeof written === "number" || (written as { code: string }).code === "already_exists") break;
      expect(written).toMatchObject({ code: "unavailable" });
    }
  }
  for (let position = 0; position < 3; position += 1) expect(await queue.next()).toBe(`b/${position} 1`);
  // Reads go to the new leader as well, which may not be ready yet.
  const entries = await until(
    () => one.store.list("").catch(() => []),
    ({ length }) => length > 0,
  );
  expect(entries).toHaveLength(23);
});
