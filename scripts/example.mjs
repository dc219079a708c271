// npm run example NAME [-- options]: installs, builds and starts an example of examples/ in a fresh clone.
import { existsSync, readdirSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { build } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";
import { inRoot } from "./lib/paths.mjs";
import { SetupError } from "./lib/say.mjs";

const hasServer = (name) => existsSync(inRoot("examples", name, "server.mjs"));

await main(async () => {
  const [name = "", ...options] = process.argv.slice(2);
  const names = readdirSync(inRoot("examples")).filter(hasServer);
  if (name === "--help" || name === "-h") {
    process.stdout.write(`Usage: npm run example NAME [-- OPTION ...]

Builds and starts an example: ${names.join(", ")}.

Options:
  --nats             start a NATS server, so that messages survive a restart of the node
  --broker URL       use this NATS server
  --site HOST:PORT   address of the page (default: 127.0.0.1:3000)
  --http HOST:PORT   HTTP address of the node (default: 127.0.0.1:8080)
  --grpc HOST:PORT   gRPC address of the node (default: 127.0.0.1:6001)
`);
    return;
  }
  if (!names.includes(name)) {
    throw new SetupError(`${name ? `unknown example "${name}"` : "no example"}: expected one of ${names.join(", ")}.`);
  }
  await install();
  await build();
  const server = inRoot("examples", name, "server.mjs");
  process.argv = [process.execPath, server, ...options];
  await import(pathToFileURL(server).href);
});
