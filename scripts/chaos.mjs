// npm run chaos [-- NAME ...]: compiles the fault suite in bench/chaos/ with the sources, and runs it.
import { pathToFileURL } from "node:url";
import { buildBench } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";
import { natsServer } from "./lib/nats-server.mjs";
import { inRoot } from "./lib/paths.mjs";

await main(async () => {
  await install();
  await buildBench();
  process.env.NATS_SERVER = await natsServer();
  const entry = inRoot("dist-bench", "bench", "chaos", "run.js");
  process.argv = [process.execPath, entry, ...process.argv.slice(2)];
  await import(pathToFileURL(entry).href);
});
