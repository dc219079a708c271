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
  if (!names.includes(name)) {
    throw new SetupError(`${name ? `unknown example "${name}"` : "no example"}: expected one of ${names.join(", ")}.`);
  }
  await install();
  await build();
  const server = inRoot("examples", name, "server.mjs");
  process.argv = [process.execPath, server, ...options];
  await import(pathToFileURL(server).href);
});
