// npm test [-- jest's arguments]: everything that has to hold, from a fresh clone. With arguments it is a developer's
// quick run of a few tests, without the checks of the whole tree.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { browser } from "./lib/browser.mjs";
import { build } from "./lib/build.mjs";
import { grpcurl } from "./lib/grpcurl.mjs";
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";
import { natsServer } from "./lib/nats-server.mjs";
import { npm } from "./lib/npm.mjs";
import { inRoot } from "./lib/paths.mjs";
import { versionOf } from "./lib/program.mjs";
import { pythonEnvironments } from "./lib/python.mjs";
import { mustRun, run } from "./lib/run.mjs";
import { say } from "./lib/say.mjs";
import { tally } from "./lib/tally.mjs";

await main(async () => {
  const args = process.argv.slice(2);
  await install();
  await build();
  if (args.length === 0) await checks();

  const nats = await natsServer();
  say(`testing with ${versionOf(nats)} (${nats})`);
  const chromium = await browser();
  if (chromium.path) say(`testing with ${versionOf(chromium.path)} (${chromium.path})`);

  const reflection = await grpcurl();
  const python = await pythonEnvironments();

  process.exitCode = await jest(args, {
    ...process.env,
    ...python.env,
    NATS_SERVER: nats,
    ...(reflection.path ? { GRPCURL: reflection.path } : { GRPCURL_MISSING: reflection.missing }),
    ...(chromium.path ? { CHROMIUM: chromium.path } : { CHROMIUM_MISSING: chromium.missing }),
  });
  // At the end, where somebody who wonders about skipped tests looks.
  if (chromium.missing) say(`the browser's tests were skipped: ${chromium.missing}`);
  if (reflection.missing) say(`grpcurl's tests were skipped: ${reflection.missing}`);
  for (const line of python.missing) say(line);
});

async function checks() {
  const [file, ...first] = npm();
  for (const script of ["typecheck", "lint"]) {
    say(`${script} ...`);
    await mustRun(script, file, [...first, "run", script]);
  }
}

async function jest(args, env) {
  const folder = mkdtempSync(join(tmpdir(), "carillon-jest-"));
  try {
    const results = join(folder, "results.json");
    const bin = inRoot("node_modules", "jest", "bin", "jest.js");
    const { code } = await run(process.execPath, [bin, "--json", `--outputFile=${results}`, ...args], {
      show: true,
      env,
    });
    // Jest's own summary is coloured, laid out for people, and goes to stderr; this line is for whoever counts.
    const line = tally(results);
    if (line) process.stdout.write(`${line}\n`);
    return code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
