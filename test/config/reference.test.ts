import { readFileSync } from "node:fs";
import { join } from "node:path";
import { configReader } from "../../src/server/config.js";
import { packageRoot } from "../../src/util/package-root.js";

test("docs/configuration.md is up to date with npm run docs", () => {
  expect(readFileSync(join(packageRoot, "docs", "configuration.md"), "utf8")).toBe(configReader.writePage());
});

test("lists every setting of a node, with its range and default", () => {
  const page = configReader.writePage();
  const missing = configReader.tree.settings.filter(({ path }) => !page.includes(`\n| \`${path.at(-1)}\` | `));
  expect(missing.map(({ path }) => path.join("."))).toEqual(["store", "roadrunner"]);
  expect(page).toContain("| `interval` | duration, 50ms to 1h | `25s` | no | Time between WebSocket pings. |");
});
