import { pause } from "../../support/pause.js";
import { KEEP, World, type WorldOptions } from "../parts/world.js";
import type { Scenario } from "./scenario.js";

/** World with topics of which nothing is removed. */
export function keepAll(size: WorldOptions["size"]): WorldOptions {
  return { size, classes: { keep: { topics: size.toy ? 4 : 10, settings: KEEP } } };
}

export const rollingRestart: Scenario = {
  name: "rolling-restart",
  what: "each node is stopped and started again",
  run: (size) =>
    World.run(keepAll(size), async (world) => {
      for (const node of world.nodes) {
        await node.stop();
        await world.flow(`${node.name} is stopped`);
        await node.start();
        await world.flow(`${node.name} is back`);
      }
    }),
};

export const nodeKill: Scenario = {
  name: "node-kill",
  what: "two nodes are killed, one after the other",
  run: (size) =>
    World.run(keepAll(size), async (world) => {
      for (const node of world.nodes.slice(1)) {
        await node.kill();
        await world.flow(`${node.name} is killed`);
        await node.start();
        await world.flow(`${node.name} is back`);
      }
    }),
};

export const linkCut: Scenario = {
  name: "link-cut",
  what: "a node loses all links to NATS, for a while and for a moment",
  run: (size) =>
    World.run(keepAll(size), async (world) => {
      for (const node of world.nodes.slice(0, 2)) {
        node.cut();
        await world.flow(`${node.name} is cut off`);
        node.heal();
        await world.flow(`${node.name} is connected again`);
        node.cut();
        await pause(50);
        node.heal();
        await world.flow(`${node.name} was cut off for a moment`);
      }
    }),
};
