// npm run bench [-- NAME ...]: compiles bench/ with the sources, and runs it.
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { buildBench } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";
import { inRoot } from "./lib/paths.mjs";
import { SetupError } from "./lib/say.mjs";

await main(async () => {
  if (!existsSync(inRoot("bench", "run.ts"))) throw new SetupError("bench/run.ts is missing.");
  await install();
  await buildBench();
  const entry = inRoot("dist-bench", "bench", "run.js");
  process.argv = [process.execPath, entry, ...process.argv.slice(2)];
  await import(pathToFileURL(entry).href);
});
