import { ClusterNode } from "../../../src/cluster/cluster-node.js";
import { NatsBus } from "../../../src/nats/bus/nats-bus.js";
import { systemClock } from "../../../src/util/system-clock.js";

/** Prints a line for the test that started this process. */
export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/**
 * A member of a cluster on NATS in a process of its own. The first two arguments are the server's URL and the node's name.
 * @param pendingBytes - maximum number of bytes that wait for the server
 */
export function createMemberProgram(pendingBytes = 1 << 20) {
  const [url = "", node = "", ...args] = process.argv.slice(2);
  const bus = new NatsBus({
    nats: { servers: [url], prefix: "carillon", clientName: node, pendingBytes, confirmTimeout: 5_000 },
    clock: systemClock,
    events: { onUp: () => {}, onDown: say, onError: say },
  });
  const member = new ClusterNode({ node, bus, clock: systemClock, onError: say });
  return { node, args, bus, member };
}

/** Runs an asynchronous main function, and prints why it failed. */
export function runProgram(main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    say(`failed: ${String(error)}`);
  });
}
