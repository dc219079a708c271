// npm run fuzz -- NAME [--minutes N]: compiles bench/fuzz/ with the sources, and runs it.
import { pathToFileURL } from "node:url";
import { buildBench } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";
import { inRoot } from "./lib/paths.mjs";

await main(async () => {
  await install();
  await buildBench();
  const entry = inRoot("dist-bench", "bench", "fuzz", "run.js");
  process.argv = [process.execPath, entry, ...process.argv.slice(2)];
  await import(pathToFileURL(entry).href);
});
