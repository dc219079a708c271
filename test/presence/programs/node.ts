import { ClusterNode } from "../../../src/cluster/cluster-node.js";
import { NatsBus } from "../../../src/nats/bus/nats-bus.js";
import { ClusterPresence } from "../../../src/presence/cluster-presence.js";
import { systemClock } from "../../../src/util/system-clock.js";

/** A node with so many members in a room until it is killed. Prints who comes and goes there. */
const [url = "", node = "", members = ""] = process.argv.slice(2);

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const bus = new NatsBus({
  nats: { servers: [url], prefix: "carillon", clientName: node, pendingBytes: 8 << 20, confirmTimeout: 5_000 },
  clock: systemClock,
  events: { onUp: () => {}, onDown: say, onError: say },
});
const cluster = new ClusterNode({ node, bus, clock: systemClock, onError: say });
const presence = new ClusterPresence({ cluster, clock: systemClock, endOfTurn: setImmediate, onError: say });
const place = { vhost: "/", broker: "memory", topic: "room" };

async function main(): Promise<void> {
  await bus.start();
  await cluster.start();
  await presence.start();
  say(`found ${presence.count(place)}`);
  presence.watch(place, ({ joined, left }) => {
    for (const { connectionId } of left) say(`-${connectionId}`);
    for (const { connectionId } of joined) say(`+${connectionId}`);
  });
  for (let number = 0; number < Number(members); number += 1) {
    presence.enter(
      place,
      { connectionId: `${node}-${number}`, user: `u${number % 100}`, info: "{}", joined: 1 },
      false,
    );
  }
}

main().catch((error: unknown) => {
  say(`failed: ${String(error)}`);
});
