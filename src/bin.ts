#!/usr/bin/env node
import { fail } from "./cli/exit-code.js";
import { run } from "./cli/program.js";
import { ignore } from "./util/ignore.js";
import { errorCode } from "./util/native-error.js";

process.stdout.on("error", (error) => {
  // The reader of a pipe may close it early, like head.
  if (errorCode(error) !== "EPIPE") fail(error);
  process.exit();
});
// Notes may be lost without ending a command.
process.stderr.on("error", ignore);

// SIGHUP reloads a running node. One that is still starting reads the changed file anyway, so it must only not end.
if (process.argv.includes("serve") && !process.stdout.isTTY) process.on("SIGHUP", ignore);

await run(process.argv);
