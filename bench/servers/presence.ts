import { ClusterNode } from "../../src/cluster/cluster-node.js";
import { NatsBus } from "../../src/nats/bus/nats-bus.js";
import { ClusterPresence } from "../../src/presence/cluster-presence.js";
import { systemClock } from "../../src/util/system-clock.js";
import { answer } from "../support/child.js";
import type { Seen } from "../support/presence.js";

/** Runs a node's presence without sessions; the benchmark requests their joins and leaves. */
const address = { vhost: "/", broker: "nats", topic: "crowd" };

let presence: ClusterPresence | undefined;
let seen = { joined: 0, duplicated: 0, changes: 0 };
const present = new Set<string>();
let onChange = (): void => {};

function onError(message: string): never {
  throw new Error(message);
}

function enter(prefix: string, number: number): void {
  const member = { connectionId: `${prefix}${number}`, user: `user-${number}`, info: "{}", joined: Date.now() };
  presence?.enter(address, member, false);
}

async function runInTurns(count: number, run: (number: number) => void): Promise<void> {
  for (let number = 0; number < count; number += 1) {
    run(number);
    // As many handshakes as a node may complete in one turn.
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
    presence.watch(address, ({ joined, left }) => {
      seen.changes += 1;
      for (const { connectionId } of left) present.delete(connectionId);
      for (const { connectionId } of joined) {
        if (present.has(connectionId)) seen.duplicated += 1;
        else seen.joined += 1;
        present.add(connectionId);
      }
      onChange();
    });
  },

  enter: ({ count, prefix }: { readonly count: number; readonly prefix: string }) =>
    runInTurns(count, (number) => {
      enter(prefix, number);
    }),

  leave: ({ count, prefix }: { readonly count: number; readonly prefix: string }) =>
    runInTurns(count, (number) => presence?.leave(address, `${prefix}${number}`)),

  /** Resolves when the watcher knows `count` members, with its notifications since the last request. */
  async reached(count: number): Promise<Seen> {
    while (present.size !== count) {
      await new Promise<void>((resolve) => {
        onChange = resolve;
      });
    }
    const result = { ...seen, count: presence?.count(address) ?? 0 };
    seen = { joined: 0, duplicated: 0, changes: 0 };
    return result;
  },
});
