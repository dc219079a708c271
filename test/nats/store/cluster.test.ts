import { until } from "../../support/backends/backend.js";
import { startNatsCluster } from "../../support/nats/cluster.js";
import { startNatsStore, type TestStore } from "../../support/nats/store.js";
import { Queue } from "../../support/queue.js";
import { temporaryFolder } from "../../support/temporary-files.js";

/** Starts a store as soon as the servers have agreed on a leader. */
async function startStore(url: string): Promise<TestStore> {
  const started = await startNatsStore(url, { replicas: 3 });
  await started.ups.next();
  return started;
}

test("in a cluster of servers: one creates, all read what was written, and a server's death is survived", async () => {
  const servers = await startNatsCluster(3, () => `jetstream { store_dir: "${temporaryFolder()}" }`);
  const stores = await Promise.all(servers.map((server) => startStore(server.url)));
  const [one, two, three] = stores;
  const [server] = servers;
  if (one === undefined || two === undefined || three === undefined || server === undefined) throw new Error("too few");
  const told = new Queue<string>();
  await two.store.watch("", ({ key, value }) => {
    told.push(`${key} ${value}`);
  });

  for (let round = 0; round < 20; round += 1) {
    const settled = await Promise.allSettled(
      Array.from({ length: 9 }, (_, position) => stores[position % 3]?.store.create(`a/${round}`, String(position))),
    );
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const winner = settled.findIndex(({ status }) => status === "fulfilled");
    for (const { store } of stores) expect(await store.get(`a/${round}`)).toMatchObject({ value: String(winner) });
    expect(await told.next()).toBe(`a/${round} ${winner}`);
  }

  await server.kill();
  // Its node goes to another server; where it led the bucket, the others agree on a new leader.
  await one.downs.next();
  await one.ups.next();
  for (const [position, { store }] of stores.entries()) {
    for (;;) {
      const written = await store.create(`b/${position}`, "1").catch((cause: unknown) => cause);
      // What was not answered may have been written.
      if (typeof written === "number" || (written as { code: string }).code === "already_exists") break;
      expect(written).toMatchObject({ code: "unavailable" });
    }
  }
  for (let position = 0; position < 3; position += 1) expect(await told.next()).toBe(`b/${position} 1`);
  // Reading asks the new leader, too, which may not be ready for it yet.
  const entries = await until(
    () => one.store.list("").catch(() => []),
    ({ length }) => length > 0,
  );
  expect(entries).toHaveLength(23);
}, 90_000);
