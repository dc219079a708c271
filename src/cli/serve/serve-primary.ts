import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reservePort } from "../../net/reserve-port.js";
import { Primary, StartFailure } from "../../processes/primary.js";
import { formatAddress } from "../../util/address.js";
import { systemClock } from "../../util/system-clock.js";
import { EXIT, fail } from "../exit-code.js";
import { onSignals } from "./on-signals.js";
import { rereadConfig } from "./read-config.js";
import type { ServeContext } from "./serve.js";
import { formatSuggestions } from "./suggestions.js";

/** Runs several processes, each of which is a node, behind the same ports. */
export async function servePrimary(context: ServeContext, count: number): Promise<void> {
  const { broker, config, flags, log, nats, offEarlySignals } = context;
  let folder: string;
  let http: string;
  let grpc: string;
  try {
    folder = mkdtempSync(join(tmpdir(), "carillon-"));
    process.on("exit", () => {
      rmSync(folder, { recursive: true, force: true });
    });
    http = formatAddress(await reservePort(config.http));
    grpc = formatAddress(await reservePort(config.grpc.listen));
  } catch (error) {
    await nats?.stop();
    fail(error);
    return;
  }
  const primary = new Primary({
    count,
    log,
    clock: systemClock,
    folder,
    broker,
    http,
    grpc,
    checkConfig: () => {
      rereadConfig({ ...flags, http, grpc }, broker);
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
  offEarlySignals();
  try {
    const started = await primary.start();
    if (flags.try === true) process.stderr.write(formatSuggestions(started.http, started.requiresKeys, config));
  } catch (error) {
    await nats?.stop();
    process.exit(error instanceof StartFailure ? (error.exitCode ?? EXIT.failed) : EXIT.failed);
  }
}
