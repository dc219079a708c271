import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { cleanUp } from "../support/clean-up.js";
import { bundleProgram } from "../support/client-library/bundle.js";
import { startNodeWorld } from "../support/client-library/world.js";
import { Program } from "../support/nodes/program.js";
import { temporaryFolder } from "../support/temporary-files.js";

/** Runtimes by the variable that `npm test` sets, with the arguments before the program. */
const RUNTIMES: Readonly<Record<string, readonly string[]>> = {
  NODE_22: [],
  DENO: ["run", "--quiet", "--allow-net", "--allow-env"],
  BUN: ["run"],
};

/** Starts the bundled program in a runtime. */
async function startProgram(runtime: string, args: readonly string[], url: string, transport: string) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "program.mjs"), await bundleProgram("runtime"));
  const environment = { PATH: process.env["PATH"], HOME: folder };
  const program = new Program(runtime, [...args, "program.mjs", url, transport], { folder, environment });
  cleanUp(() => program.stop("SIGKILL"));
  return program;
}

for (const [variable, args] of Object.entries(RUNTIMES)) {
  const path = process.env[variable];
  const missing = process.env[`${variable}_MISSING`] ?? (path === undefined ? `${variable} is not set` : undefined);
  const group = missing === undefined ? describe : describe.skip;

  group(`the client in ${variable}${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
    test.each(["websocket", "events"])("receives, and recovers after a lost connection, by %s", async (transport) => {
      const world = await startNodeWorld();
      const program = await startProgram(path ?? "", args, world.url, transport);
      await program.says(/^joined false$/);
      await world.publish("room", "1");
      await program.says(/^message 1$/);
      world.shut();
      await program.says(/^waiting$/);
      await world.publish("room", "2");
      world.open();
      await program.says(/^joined true$/);
      await world.publish("room", "3");
      await program.says(/^message 3$/);
      if (transport === "websocket") await program.says(/^message from the program$/);
      const lines = program.stdout.split("\n");
      expect(lines.filter((line) => /^message \d$/.test(line))).toEqual(["message 1", "message 2", "message 3"]);
    });
  });
}
