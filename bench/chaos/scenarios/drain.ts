import { progress } from "../../support/progress.js";
import type { DelaySummary } from "../parts/delivery-delays.js";
import { HandshakeWatch } from "../parts/handshake-watch.js";
import { type ChaosSize, World } from "../parts/world.js";
import { keepAll } from "./nodes.js";
import type { Scenario } from "./scenario.js";

/** Longest advice to clients of a stopping node, in seconds. */
const SPREAD = 5;

/** Chooses rates for which a node's clients arrive faster at the other two nodes than these admit them. */
function chooseRates({ clients, seconds }: ChaosSize): { readonly drain: number; readonly admission: number } {
  const drain = Math.max(10, Math.ceil(clients / 3 / (2 * seconds)));
  return { drain, admission: Math.max(5, Math.ceil(drain / 3)) };
}

/** Prints the delays of clients that stay connected, before and during the drain. */
function report(before: DelaySummary, during: DelaySummary): void {
  progress(
    `  delays before: ${format(before)}; during: ${format(during)}; p99 ${(during.p99 / before.p99).toFixed(2)} x`,
  );
}

function format({ count, p50, p99 }: DelaySummary): string {
  return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms of ${count} deliveries`;
}

export const drain: Scenario = {
  name: "drain",
  what: "each node is drained and started again, while the others limit their handshakes",
  run: (size) => {
    const rates = chooseRates(size);
    const timeout = Math.ceil(size.clients / rates.drain) + 10;
    const settings = {
      drain: { delay: "500ms", rate: rates.drain, timeout: `${timeout}s`, spread: `${SPREAD}s` },
      admission: { rate: rates.admission },
    };
    return World.run({ ...keepAll(size), settings }, async (world) => {
      const { observed } = world;
      const { delays } = observed;
      delays.take();
      await world.flow("undisturbed");
      const before = delays.take();
      const watches = world.nodes.map((node) => HandshakeWatch.start(node, rates.admission));
      try {
        for (const node of world.nodes) {
          await node.stop((timeout + 30) * 1_000);
          await world.flow(`${node.name} is drained`);
          await node.start();
          await world.flow(`${node.name} is back`);
        }
        await world.joined();
        report(before, delays.take());
      } finally {
        for (const watch of watches) watch.stop(observed);
      }
      const refused = watches.reduce((sum, { refused: count }) => sum + count, 0);
      progress(
        `  limit ${rates.admission}/s, most ${Math.max(...watches.map(({ peak }) => peak)).toFixed(1)}/s, ${refused} refused`,
      );
      if (refused === 0) observed.fault("L22: no client was refused, so the limit was not tested");
    });
  },
};
