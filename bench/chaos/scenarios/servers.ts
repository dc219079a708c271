import { pause } from "../../support/pause.js";
import { KEEP, World } from "../parts/world.js";
import { keepAll } from "./nodes.js";
import type { Scenario } from "./scenario.js";

export const leaderKill: Scenario = {
  name: "leader-kill",
  what: "the server that leads the stream is killed",
  run: (size) =>
    World.run(keepAll(size), async (world) => {
      for (let round = 0; round < (size.toy ? 1 : 3); round += 1) {
        await world.cluster.untilCurrent("keep");
        const leader = await world.cluster.leader("keep");
        await leader.kill();
        await world.flow(`the leader ${leader.name} is killed`);
        await leader.start();
        await world.flow(`${leader.name} is back`);
      }
    }),
};

export const serverFreeze: Scenario = {
  name: "server-freeze",
  what: "the server that leads the stream stops working, and continues",
  run: (size) =>
    World.run(keepAll(size), async (world) => {
      // Nodes take a silent server for dead after 15 s.
      for (const seconds of size.toy ? [2] : [2, 20]) {
        const leader = await world.cluster.leader("keep");
        leader.freeze();
        await pause(seconds * 1_000);
        leader.thaw();
        await world.flow(`${leader.name} was frozen for ${seconds} s`);
        await world.cluster.untilCurrent("keep");
      }
    }),
};

/** Messages in the memory of one server, which are lost with it. */
const VOLATILE = { ...KEEP, storage: "memory", replicas: 1 } as const;

export const memoryLoss: Scenario = {
  name: "memory-loss",
  what: "a stream in the memory of one server loses its messages, and begins again at 1",
  run: (size) =>
    World.run({ size, classes: { volatile: { topics: size.toy ? 3 : 6, settings: VOLATILE } } }, async (world) => {
      // Stopped first, because nobody could tell whether the last messages before the kill were stored.
      await Promise.all(world.publishers.map((publisher) => publisher.stop()));
      const log = world.logs.get("volatile");
      await log?.caughtUp();
      const away = world.clients.filter((_, position) => position % 4 === 0);
      for (const client of away) client.leave();
      const leader = await world.cluster.leader("volatile");
      await leader.kill();
      log?.restart();
      for (const topic of world.topics) world.trimmed.add(topic);
      await leader.start();
      for (const publisher of world.publishers) publisher.start();
      await world.flow(`${leader.name} has lost the messages`);
      for (const client of away) client.connect();
      await world.flow("clients with old positions are back");
      world.expectRefused("unknown_position");
    }),
};
