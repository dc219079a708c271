import { World } from "../parts/world.js";
import { keepAll } from "./nodes.js";
import type { Scenario } from "./scenario.js";

export const purge: Scenario = {
  name: "purge",
  what: "topics are purged while clients are away",
  run: (size) =>
    World.run(keepAll(size), async (world) => {
      const away = world.clients.filter((_, position) => position % 3 === 0);
      for (const client of away) client.leave();
      await world.flow("clients are away");
      const [topic = "", other = ""] = world.topics;
      for (const purged of [topic, other]) {
        // Messages published at the moment of a purge may be removed before the suite has read them.
        const publishers = world.publishers.filter((publisher) => publisher.topic === purged);
        await Promise.all(publishers.map((publisher) => publisher.stop()));
        await world.logs.get("keep")?.caughtUp();
        world.trimmed.add(purged);
        await purgeTopic(world, purged);
        for (const publisher of publishers) publisher.start();
      }
      await world.flow(`${topic} and ${other} are purged`);
      for (const client of away) client.connect();
      await world.flow("clients are back");
      world.expectRefused("expired");
    }),
};

async function purgeTopic({ nodes }: World, topic: string): Promise<void> {
  const response = await fetch(`http://${nodes[0]?.http}/carillon.v1.HistoryService/PurgeHistory`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ topic }),
  });
  if (!response.ok) throw new Error(`${topic} is not purged: ${await response.text()}`);
}
