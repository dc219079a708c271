import type { Config } from "../../config/schema.js";
import { createLog } from "../../observe/log.js";
import type { ChannelPeer } from "../../processes/channel.js";
import { Siblings } from "../../processes/siblings.js";
import { Server } from "../../server/server.js";
import { ignore } from "../../util/ignore.js";
import { EXIT, fail } from "../exit-code.js";
import { readConfig, rereadConfig, type ServeFlags } from "./read-config.js";

/**
 * Runs a node in one of several processes. The primary process stops it and has it reload. It also stops when the primary
 * process is gone, or at SIGTERM, after which the primary process starts another one.
 */
export async function serveNodeProcess(flags: ServeFlags): Promise<void> {
  let server: Server | undefined;
  const stop = (): void => {
    const stopped = server?.stop() ?? Promise.resolve();
    stopped.catch(ignore).finally(() => process.exit(EXIT.ok));
  };
  process.on("SIGTERM", stop);
  // A terminal sends these to all processes. The primary process decides.
  process.on("SIGINT", ignore);
  process.on("SIGHUP", ignore);
  process.on("disconnect", stop);
  const siblings = await Siblings.join(process as unknown as ChannelPeer, {
    collect: async () => server?.collectMetrics() ?? [],
    reload: async () => server?.reload() ?? { changed: [], restart: [] },
    stop,
  });
  let config: Config;
  try {
    const given = { ...flags, ...siblings.addresses };
    config = readConfig(given, siblings.broker);
    const log = createLog({ ...config.log, fields: { process: siblings.number } });
    server = new Server(config, log, { readConfig: () => rereadConfig(given, siblings.broker), siblings });
  } catch (error) {
    fail(error, EXIT.usage);
    process.exit();
  }
  try {
    await server.start();
  } catch (error) {
    fail(error);
    process.exit();
  }
}
