// npm run test:stress [-- --runs 5 --loops 2 FILE ... [-- jest's arguments]]: finds flaky tests, by running them
// several times on a busy machine. Without files it runs all tests.
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { build } from "./lib/build.mjs";
import { install } from "./lib/install.mjs";
import { main } from "./lib/main.mjs";
import { SetupError, say } from "./lib/say.mjs";
import { stress } from "./lib/stress.mjs";
import { testEnvironment } from "./lib/test-environment.mjs";

await main(async () => {
  const options = readOptions();
  await install();
  await build();
  const { env, missing } = await testEnvironment(options.args);
  process.exitCode = (await stress({ ...options, env })) ? 1 : 0;
  for (const line of missing) say(line);
});

function readOptions() {
  try {
    const { positionals, values } = parseArgs({
      options: { runs: { type: "string", default: "5" }, loops: { type: "string" } },
      allowPositionals: true,
    });
    const loops = values.loops ?? String(availableParallelism());
    return { args: positionals, runs: count("runs", values.runs, 1), loops: count("loops", loops, 0) };
  } catch (error) {
    if (error instanceof SetupError) throw error;
    throw new SetupError(error.message);
  }
}

function count(name, text, least) {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least) return number;
  throw new SetupError(`invalid --${name} ${JSON.stringify(text)}: expected an integer of at least ${least}.`);
}
