// npm run docs: writes docs/configuration.md and carillon.schema.json from the configuration's schema.
import { writeFileSync } from "node:fs";
import { build } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";
import { inRoot } from "./lib/paths.mjs";

await main(async () => {
  await install();
  await build();
  const { configReader } = await import("../dist/src/server/config.js");
  writeFileSync(inRoot("docs", "configuration.md"), configReader.writePage());
  writeFileSync(inRoot("carillon.schema.json"), configReader.writeJsonSchema());
});
