// npm run bench [-- NAME ...]: compiles bench/ with the sources, and runs it.
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { buildBench } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";
import { inRoot } from "./lib/paths.mjs";
import { peerEnvironment } from "./lib/peers.mjs";
import { SetupError } from "./lib/say.mjs";

await main(async () => {
  if (!existsSync(inRoot("bench", "run.ts"))) throw new SetupError("bench/run.ts is missing.");
  await install();
  await buildBench();
  const args = process.argv.slice(2);
  // Toy runs compare only with what is built already, because tests run them.
  if (args.some((arg) => arg === "peers" || arg === "all"))
    Object.assign(process.env, await peerEnvironment(!args.includes("--toy")));
  const entry = inRoot("dist-bench", "bench", "run.js");
  process.argv = [process.execPath, entry, ...args];
  await import(pathToFileURL(entry).href);
});
