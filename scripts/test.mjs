// npm test [-- jest's arguments]: installs, builds, and runs all checks and tests. With arguments it skips typecheck and
// lint, for a quick run of a few tests.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { jest } from "./lib/jest.mjs";
import { main } from "./lib/main.mjs";
import { npm } from "./lib/npm.mjs";
import { mustRun } from "./lib/run.mjs";
import { say } from "./lib/say.mjs";
import { tally } from "./lib/tally.mjs";
import { testEnvironment } from "./lib/test-environment.mjs";

await main(async () => {
  const args = process.argv.slice(2);
  await install();
  await build();
  if (args.length === 0) await checks();

  const { env, missing } = await testEnvironment(args);
  process.exitCode = await test(args, env);
  // Printed last, because a developer looks at the end for the reason of skipped tests.
  for (const line of missing) say(line);
});

async function checks() {
  const [file, ...first] = npm();
  for (const script of ["typecheck", "lint"]) {
    say(`${script} ...`);
    await mustRun(script, file, [...first, "run", script]);
  }
}

async function test(args, env) {
  const folder = mkdtempSync(join(tmpdir(), "carillon-jest-"));
  try {
    const results = join(folder, "results.json");
    const { code } = await jest(args, results, { show: true, env });
    // Jest prints its own summary, formatted for people, to stderr; this line is for scripts.
    const line = tally(results);
    if (line) process.stdout.write(`${line}\n`);
    return code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
