// node scripts/previous.mjs: builds the previous version, and prints where it is, or why there is none, as JSON.
import { main } from "./lib/main.mjs";
import { previousVersion } from "./lib/previous.mjs";

await main(async () => {
  process.stdout.write(`${JSON.stringify(await previousVersion())}\n`);
});
