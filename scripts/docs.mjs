// npm run docs: writes docs/configuration.md from the configuration's schema.
import { writeFileSync } from "node:fs";
import { build } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";
import { inRoot } from "./lib/paths.mjs";

await main(async () => {
  await install();
  await build();
  const { writeConfigurationPage } = await import("../dist/src/config/reference.js");
  writeFileSync(inRoot("docs", "configuration.md"), writeConfigurationPage());
});
