import { once } from "node:events";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { main } from "../../scripts/lib/main.mjs";
import { SetupError, say } from "../../scripts/lib/say.mjs";
import { startNats } from "./nats.mjs";
import { startNode } from "./node.mjs";
import { parseAddress, startSite } from "./site.mjs";

const OPTIONS = {
  site: { type: "string", default: "127.0.0.1:3000" },
  http: { type: "string", default: "127.0.0.1:8080" },
  grpc: { type: "string", default: "127.0.0.1:6001" },
  nats: { type: "boolean", default: false },
  broker: { type: "string" },
};

/**
 * Runs an example until Ctrl+C: a node with `carillon.yaml`, and a site with the page. Options of the command line:
 * `--site`, `--http` and `--grpc` are HOST:PORT, `--nats` starts a NATS server, `--broker` is the URL of another one.
 *
 * @param folder - URL of the example's folder
 * @param routes - functions that answer requests of the page, by method and path, such as `POST /login`
 * @param onStart - receives the node when it is ready; may return a function that ends what it has started
 */
export function runExample(folder, { routes = {}, onStart = () => undefined } = {}) {
  return main(async () => {
    const options = readOptions();
    parseAddress(options.site);
    const signal = nextSignal();
    const ends = [];
    try {
      const nats = options.nats ? await startNats() : undefined;
      if (nats) ends.push(nats.stop);
      if (nats) say(`NATS with JetStream runs at ${nats.url}`);
      const node = await startNode(folder, { ...options, broker: nats?.url ?? options.broker });
      ends.push(node.stop);
      const site = await startSite(folder, { address: options.site, nodeUrl: node.webSocket, routes });
      ends.push(site.stop);
      const end = await onStart(node);
      if (end) ends.push(end);
      say(`open ${site.url} in two windows`);
      say("r and Enter restarts the node; Ctrl+C ends the example");
      await Promise.race([signal, node.ended, readKeys(node)]);
    } finally {
      process.stdin.destroy();
      // The node ends after what uses it.
      for (const end of ends.toReversed()) await end();
    }
  });
}

function readOptions() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new SetupError(`${error.message}. Expected --${Object.keys(OPTIONS).join(", --")}.`);
  }
}

function nextSignal() {
  return Promise.race(["SIGINT", "SIGTERM", "SIGHUP"].map((signal) => once(process, signal)));
}

/** Restarts the node for each line `r`. Rejects if that fails. */
async function readKeys(node) {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() !== "r") continue;
    say("restarting the node ...");
    await node.restart();
    say("the node is back");
  }
  // Without a terminal there are no keys.
  return new Promise(() => {});
}
