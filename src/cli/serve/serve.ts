import cluster from "node:cluster";
import { availableParallelism } from "node:os";
import type { Config } from "../../config/schema.js";
import { CarillonError } from "../../errors.js";
import { createLog, type Logger } from "../../observe/log.js";
import { NatsServerProcess } from "../../processes/nats-server.js";
import { Server } from "../../server/server.js";
import { systemClock } from "../../util/system-clock.js";
import { EXIT, fail } from "../exit-code.js";
import { onEarlySignals, onSignals } from "./on-signals.js";
import { checkBrokers, nameConfigFile, readConfig, rereadConfig, type ServeFlags } from "./read-config.js";
import { serveNodeProcess } from "./serve-node-process.js";
import { servePrimary } from "./serve-primary.js";
import { formatSuggestions } from "./suggestions.js";

/** Settings of the command, and the server that it runs beside the node. */
export interface ServeContext {
  readonly flags: ServeFlags;
  readonly config: Config;
  readonly log: Logger;
  /** The NATS server of `--with-nats`. */
  readonly nats: NatsServerProcess | undefined;
  /** URL of that server. */
  readonly broker: string | undefined;
  /** Called when the signals have their final listeners: one that arrived between them would leave the NATS server running. */
  readonly offEarlySignals: () => void;
}

/** URL that stands for the server of `--with-nats` until its port is known. */
const PLACEHOLDER = "nats://127.0.0.1:4222";

/** Runs a node, or several processes, until a signal arrives: the first one stops it gracefully, a second one exits at once. */
export async function serveCommand(given: ServeFlags): Promise<void> {
  if (cluster.isWorker) {
    await serveNodeProcess(given);
    return;
  }
  const flags = nameConfigFile(given);
  let config: Config;
  try {
    if (flags.withNats === true) checkBrokers(flags);
    config = readConfig(flags, flags.withNats === true ? PLACEHOLDER : undefined);
  } catch (error) {
    fail(error, EXIT.usage);
    return;
  }
  const log = createLog(config.log);
  const nats = flags.withNats === true ? createNats(flags, config, log) : undefined;
  let broker: string | undefined;
  const offEarlySignals = onEarlySignals(() => nats?.kill());
  try {
    broker = await nats?.start();
    if (broker !== undefined) config = readConfig(flags, broker);
  } catch (error) {
    await nats?.stop();
    fail(error);
    process.exit();
  }
  const context: ServeContext = { flags, config, log, nats, broker, offEarlySignals };
  const count = config.processes === "auto" ? availableParallelism() : config.processes;
  await (count === 1 ? serveNode(context) : servePrimary(context, count));
}

function createNats(flags: ServeFlags, config: Config, log: Logger): NatsServerProcess {
  return new NatsServerProcess({
    program: process.env["NATS_SERVER"] ?? "nats-server",
    folder: flags.natsFolder ?? "nats-data",
    payload: config.limits.payload,
    log,
    clock: systemClock,
    onFailed: ({ message: reason }) => {
      log.fatal({ reason }, "nats-server ends again and again: stopping");
      process.kill(process.pid, "SIGTERM");
      process.exitCode = EXIT.unavailable;
    },
  });
}

/** Runs a node in this process. */
async function serveNode({ broker, config, flags, log, nats, offEarlySignals }: ServeContext): Promise<void> {
  let server: Server;
  try {
    server = new Server(config, log, { readConfig: () => rereadConfig(flags, broker) });
  } catch (error) {
    await nats?.stop();
    fail(error, EXIT.usage);
    return;
  }
  onSignals(log, {
    reload: () => server.reload(),
    stop: async () => {
      await server.stop();
      await nats?.stop();
    },
    kill: () => nats?.kill(),
  });
  offEarlySignals();
  try {
    await server.start();
  } catch (error) {
    await nats?.stop();
    fail(CarillonError.from(error));
    process.exit();
  }
  const { addresses, requiresKeys } = server;
  if (flags.try === true && addresses !== undefined) {
    process.stderr.write(formatSuggestions(addresses.http, requiresKeys, config));
  }
}
