import { ClusterPresence } from "../../../src/presence/cluster-presence.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { knowsNodes } from "../../support/nodes/knows-nodes.js";
import { createMemberProgram, runProgram, say } from "../../support/nodes/member-program.js";

/**
 * A node with a number of members in a room, until it is killed. It takes part when it knows the given number of nodes. Prints
 * who joins and leaves the room.
 */
const { args, bus, member: cluster, node } = createMemberProgram(8 << 20);
const [members = 0, nodes = 1] = args.map(Number);
const presence = new ClusterPresence({ cluster, clock: systemClock, endOfTurn: setImmediate, onError: say });
const place = { vhost: "/", broker: "memory", topic: "room" };

async function main(): Promise<void> {
  await bus.start();
  await cluster.start();
  await knowsNodes(cluster, nodes);
  await presence.start();
  say(`found ${presence.count(place)}`);
  presence.watch(place, ({ joined, left }) => {
    for (const { connectionId } of left) say(`-${connectionId}`);
    for (const { connectionId } of joined) say(`+${connectionId}`);
  });
  for (let number = 0; number < members; number += 1) {
    presence.enter(
      place,
      { connectionId: `${node}-${number}`, user: `u${number % 100}`, info: "{}", joined: 1 },
      false,
    );
  }
}

runProgram(main);
