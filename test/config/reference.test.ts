import { readFileSync } from "node:fs";
import { join } from "node:path";
import { settings } from "../../src/config/keys.js";
import { writeConfigurationPage } from "../../src/config/reference.js";
import { packageRoot } from "../../src/util/package-root.js";

test("docs/configuration.md is what npm run docs writes", () => {
  expect(readFileSync(join(packageRoot, "docs", "configuration.md"), "utf8")).toBe(writeConfigurationPage());
});

test("lists every setting of a node, with its range and default", () => {
  const page = writeConfigurationPage();
  const missing = settings().filter(({ path }) => !page.includes(`\n| \`${path.at(-1)}\` | `));
  expect(missing.map(({ path }) => path.join("."))).toEqual(["store", "roadrunner"]);
  expect(page).toContain("| `interval` | duration, 50ms to 1h | `25s` | Time between WebSocket pings. |");
});
