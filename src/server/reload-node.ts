import type { ConfigReader } from "../config/config-reader.js";
import type { Config } from "../config/schema.js";
import type { DialectModule } from "../dialects/module.js";
import type { Logger } from "../observe/log.js";
import { errorText } from "../util/native-error.js";
import { readAnswerRate } from "./create/create-foundations.js";
import type { NodeParts } from "./create/create-node.js";
import { checkHistoryBytes } from "./create/create-vhosts.js";
import { checkDialects } from "./create/listeners/create-dialects.js";
import { readRate } from "./create/listeners/create-listeners.js";
import type { ReloadReport } from "./reload-report.js";
import { changeConfig } from "./running-config.js";

export interface Reload {
  readonly reader: ConfigReader;
  readonly dialects: readonly DialectModule[];
  readonly log: Logger;
  /** The configuration that the node was started with, or that of the last reload. */
  readonly before: Config;
  /** The copy that the node's parts read. */
  readonly running: Config;
  readonly next: Config;
}

/**
 * Applies the live settings of another configuration, and reads the files again that settings name. Resolves when they have
 * been applied to all clients.
 * @returns what has changed, and the configuration to compare the next one with
 * @throws CarillonError invalid_argument, failed_precondition, already_exists, resource_exhausted: nothing has changed
 */
export async function reloadNode(
  parts: NodeParts,
  { before, dialects, log, next, reader, running }: Reload,
): Promise<{ readonly config: Config; readonly report: ReloadReport }> {
  const { config, live, restart } = reader.compare(before, next);
  const { listeners, vhostRuntime } = parts;
  checkDialects(config, dialects);
  const useCertificates = await listeners.certificates?.prepare();
  const runtimeVhosts = [...vhostRuntime.vhosts.all].filter(
    ({ configured, name }) => !configured && !Object.hasOwn(config.vhosts, name),
  );
  checkHistoryBytes(config, [...Object.values(config.vhosts), ...runtimeVhosts.map(({ settings }) => settings)]);
  const vhosts = vhostRuntime.vhosts.prepare(config.vhosts);
  let applied: Promise<unknown>;
  try {
    applied = vhosts.commit();
  } catch (error) {
    vhosts.cancel();
    throw error;
  }
  // Nothing below fails.
  useCertificates?.();
  changeConfig(running, config);
  applySettings(parts, config);
  if (live.includes("log.level")) log.level = config.log.level;
  await applied;
  const files = [...vhosts.changedFiles, ...(useCertificates === undefined ? [] : ["tls.cert_file"])];
  return { config, report: { changed: [...new Set([...live, ...files])], restart } };
}

/** Logs why a reload was refused. @returns the given promise's outcome */
export async function logRefusedReload<Report>(log: Logger, reloaded: Promise<Report>): Promise<Report> {
  try {
    return await reloaded;
  } catch (error) {
    log.error({ reason: errorText(error) }, "the reload was refused");
    throw error;
  }
}

/** Applies the settings that parts do not read from the running configuration themselves. */
function applySettings({ answers, budget, listeners, messaging }: NodeParts, config: Config): void {
  budget.changeLimit(config.limits.receiving);
  messaging.outbox.changeLimit(config.limits.outbox);
  answers.changeRate(readAnswerRate(config));
  listeners.handshakes.changeRate(readRate(config));
  listeners.changeOrigins(config.origins);
}
