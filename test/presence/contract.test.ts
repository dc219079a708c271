import { LocalBus } from "../../src/cluster/local-bus.js";
import { presenceContract } from "../contract/presence.js";
import { startNatsBus } from "../support/nats/bus.js";
import { startNats } from "../support/nats/server.js";
import { startSharedBus } from "../support/nodes/shared-bus.js";
import { startPresence } from "./support.js";

presenceContract("one node", async () => {
  const bus = new LocalBus(() => {});
  await bus.start();
  const { presence } = await startPresence("one", bus);
  return [presence, presence];
});

presenceContract("two nodes of one process", async () => {
  const bus = await startSharedBus();
  const [one, two] = await Promise.all([startPresence("one", bus), startPresence("two", bus)]);
  return [one.presence, two.presence];
});

presenceContract("two nodes on NATS", async () => {
  const server = await startNats();
  const [one, other] = await Promise.all(
    ["one", "other"].map(async (name) => startPresence(name, (await startNatsBus(server.url)).bus)),
  );
  if (one === undefined || other === undefined) throw new Error("no nodes");
  return [one.presence, other.presence];
});
