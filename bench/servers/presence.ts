import { ClusterNode } from "../../src/cluster/cluster-node.js";
import { NatsBus } from "../../src/nats/bus/nats-bus.js";
import { ClusterPresence } from "../../src/presence/cluster-presence.js";
import { systemClock } from "../../src/util/system-clock.js";
import { answer } from "../support/child.js";
import type { Seen } from "../support/presence.js";

/** A node's presence without the rest of the node: what its sessions would do is asked of it. */
const place = { vhost: "/", broker: "nats", topic: "room" };

let presence: ClusterPresence | undefined;
let seen = { joined: 0, duplicated: 0, changes: 0 };
const here = new Set<string>();
let onChange = (): void => {};

function onError(message: string): never {
  throw new Error(message);
}

function enter(prefix: string, number: number): void {
  const member = { connectionId: `${prefix}${number}`, user: `user-${number}`, info: "{}", joined: Date.now() };
  presence?.enter(place, member, false);
}

async function inTurns(count: number, run: (number: number) => void): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    run(number);
    // So many handshakes a node may finish in one turn.
    if (number % 20 === 19) await new Promise(setImmediate);
  }
}

answer({
  async start({ node, url }: { readonly node: string; readonly url: string }) {
    const bus = new NatsBus({
      nats: { servers: [url], prefix: "carillon", clientName: node, pendingBytes: 64 << 20, confirmTimeout: 5_000 },
      clock: systemClock,
      events: { onUp: () => {}, onDown: onError, onError },
    });
    await bus.start();
    const cluster = new ClusterNode({ node, bus, clock: systemClock, onError });
    presence = new ClusterPresence({ cluster, clock: systemClock, endOfTurn: setImmediate, onError });
    await cluster.start();
    await presence.start();
    presence.watch(place, ({ joined, left }) => {
      seen.changes += 1;
      for (const { connectionId } of left) here.delete(connectionId);
      for (const { connectionId } of joined) {
        if (here.has(connectionId)) seen.duplicated += 1;
        else seen.joined += 1;
        here.add(connectionId);
      }
      onChange();
    });
  },

  enter: ({ count, prefix }: { readonly count: number; readonly prefix: string }) =>
    inTurns(count, (number) => {
      enter(prefix, number);
    }),

  leave: ({ count, prefix }: { readonly count: number; readonly prefix: string }) =>
    inTurns(count, (number) => presence?.leave(place, `${prefix}${number}`)),

  /** Resolves when its watcher has been told of so many members, with what it was told since the last time. */
  async reached(count: number): Promise<Seen> {
    while (here.size !== count) {
      await new Promise<void>((resolve) => {
        onChange = resolve;
      });
    }
    const told = { ...seen, count: presence?.count(place) ?? 0 };
    seen = { joined: 0, duplicated: 0, changes: 0 };
    return told;
  },
});
