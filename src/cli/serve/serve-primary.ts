import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Primary, StartFailure } from "../../processes/primary.js";
import { systemClock } from "../../util/system-clock.js";
import { EXIT, fail } from "../exit-code.js";
import { onSignals } from "./on-signals.js";
import { readConfig } from "./read-config.js";
import type { ServeContext } from "./serve.js";
import { formatSuggestions } from "./suggestions.js";

/** Runs several processes, each of which is a node, behind the same ports. */
export async function servePrimary(context: ServeContext, count: number): Promise<void> {
  const { broker, config, flags, log, nats } = context;
  let folder: string;
  try {
    folder = mkdtempSync(join(tmpdir(), "carillon-"));
  } catch (error) {
    await nats?.stop();
    fail(error);
    return;
  }
  process.on("exit", () => {
    rmSync(folder, { recursive: true, force: true });
  });
  const primary = new Primary({
    count,
    log,
    clock: systemClock,
    folder,
    broker,
    checkConfig: () => {
      readConfig(flags, broker);
    },
  });
  onSignals(log, {
    reload: () => primary.reload(),
    stop: async () => {
      await primary.stop();
      await nats?.stop();
    },
    kill: () => {
      primary.kill();
      nats?.kill();
    },
  });
  try {
    const { http, requiresKeys } = await primary.start();
    if (flags.try === true) process.stderr.write(formatSuggestions(http, requiresKeys, config));
  } catch (error) {
    await nats?.stop();
    process.exit(error instanceof StartFailure ? (error.exitCode ?? EXIT.failed) : EXIT.failed);
  }
}
