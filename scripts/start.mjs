// npm start [-- options of `carillon serve`]: installs, builds and starts a broker in a fresh clone.
import { pathToFileURL } from "node:url";
import { bin, build } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";

await main(async () => {
  await install();
  await build();
  // The broker runs in this process, so that signals reach it directly and it stops gracefully.
  process.argv = [process.execPath, bin, "serve", "--try", ...process.argv.slice(2)];
  await import(pathToFileURL(bin).href);
});
