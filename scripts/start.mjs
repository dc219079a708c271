// npm start [-- options of `carillon serve`]: from a fresh clone to a running broker.
import { pathToFileURL } from "node:url";
import { bin, build } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";

await main(async () => {
  await install();
  await build();
  // In this process and not in a child: a signal then reaches the broker itself, and its graceful stop is the stop.
  process.argv = [process.execPath, bin, "serve", "--try", ...process.argv.slice(2)];
  await import(pathToFileURL(bin).href);
});
