import { ClusterNode } from "../../../src/cluster/cluster-node.js";
import { NatsBus } from "../../../src/nats/bus/nats-bus.js";
import { systemClock } from "../../../src/util/system-clock.js";

/** A node that answers `name` until it is killed. Prints who comes and goes. */
const [url = "", node = ""] = process.argv.slice(2);

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const bus = new NatsBus({
  nats: { servers: [url], prefix: "carillon", clientName: node, pendingBytes: 1 << 20, confirmTimeout: 5_000 },
  clock: systemClock,
  events: { onUp: () => {}, onDown: say, onError: say },
});
const member = new ClusterNode({ node, bus, clock: systemClock, onError: say });
member.handle("name", () => node);
member.handle("note", () => null);
// Never answers.
member.handle("wait", () => new Promise(() => {}));
member.onNodes(({ here, node: changed }) => {
  say(`${here ? "+" : "-"}${changed}`);
});

async function main(): Promise<void> {
  await bus.start();
  await member.start();
  say("started");
}

main().catch((error: unknown) => {
  say(`failed: ${String(error)}`);
});
