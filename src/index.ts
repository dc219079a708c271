import { CarillonError, type ErrorCode } from "./errors.js";
import { createLog, type Logger } from "./observe/log.js";
import type { Addresses } from "./server/addresses.js";
import { type ConfigInput, parseConfig } from "./server/config.js";
import type { ReloadReport } from "./server/reload-report.js";
import { Server } from "./server/server.js";

export type { Logger } from "./observe/log.js";
export { createPublisher, type PublisherClient as Publisher } from "./publisher-client/create-publisher.js";
export type { PublisherMessage, PublisherReceipt } from "./publisher-client/message.js";
export type { PublisherClientOptions as PublisherOptions } from "./publisher-client/options.js";
export type { Addresses } from "./server/addresses.js";
export type { ConfigInput } from "./server/config.js";
export type { ReloadReport } from "./server/reload-report.js";
export { createWorker, type Worker } from "./worker-client/create-worker.js";
export type { WorkerClientOptions as WorkerOptions } from "./worker-client/options.js";
export type { WorkerAnswer, WorkerHandler, WorkerTask } from "./worker-client/task.js";
export { CarillonError, type ErrorCode };

/** A Carillon node inside another program. */
export interface Carillon {
  /** Resolves when the node listens. @throws CarillonError failed_precondition when it cannot */
  start(): Promise<void>;
  /**
   * Applies the live settings of another configuration. Resolves when they have been applied to all clients.
   * @returns paths of the settings that have changed, and of those that need a restart
   * @throws CarillonError invalid_argument, failed_precondition, already_exists, resource_exhausted: nothing has changed
   */
  reload(config: ConfigInput): Promise<ReloadReport>;
  /** Stops gracefully within the configured time; resolves when everything has ended. */
  stop(): Promise<void>;
  /** Addresses that it listens on; undefined until started. */
  readonly addresses: Addresses | undefined;
}

/**
 * Creates a node. It does not listen until it is started.
 *
 * @param config - settings as in a configuration file; missing ones have their defaults
 * @param log - receives the log records; default: stdout, in the format and level of the setting `log`
 * @throws CarillonError invalid_argument that names every problem of the configuration
 */
export function createCarillon(config: ConfigInput = {}, log?: Logger): Carillon {
  const complete = parseConfig(config);
  if (complete.processes !== 1) {
    throw new CarillonError("invalid_argument", "processes: only carillon serve starts several processes");
  }
  const server = new Server(complete, log ?? createLog(complete.log));
  return {
    start: () => server.start(),
    reload: async (next) => server.reload(parseConfig(next)),
    stop: () => server.stop(),
    get addresses() {
      return server.addresses;
    },
  };
}
