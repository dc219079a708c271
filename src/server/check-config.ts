import type { BrokerConfig, Config } from "../config/schema.js";
import { CarillonError } from "../errors.js";
import { type HistoryProbe, probeHistory } from "../nats/history/probe-history.js";
import { createNatsAuthenticator, readTlsOptions } from "../nats/link/credentials.js";
import { LimitedLog } from "../observe/limited-log.js";
import type { Logger } from "../observe/log.js";
import { MemoryStore } from "../store/memory.js";
import { systemClock } from "../util/system-clock.js";
import { createHistoryClasses } from "../vhosts/history-classes.js";
import { tryVhostSettings } from "../vhosts/parts.js";
import { createPartsContext } from "./create/create-vhosts.js";
import { checkDialects } from "./create/listeners/create-dialects.js";
import { createCertificates } from "./create/listeners/create-listeners.js";
import { DIALECTS } from "./dialects.js";
import { natsOptions } from "./nats-options.js";

/** Time that a NATS server has to connect, and for each answer, in milliseconds. */
const PROBE_TIMEOUT = 2_000;

/**
 * Checks the settings, and the files that they name, like a start does, but without listening. Where vhosts have history
 * classes, asks the NATS servers whether they can keep them; nothing else uses the network.
 * @param log - receives a record only when a part reports a problem
 * @returns notes about checks that were not possible, and about settings that a broker applies in part
 * @throws CarillonError invalid_argument that names every problem, one per line
 */
export async function checkConfig(config: Config, log: Logger): Promise<readonly string[]> {
  const store = new MemoryStore({ clock: systemClock, onError: (message) => log.error(message) });
  const context = createPartsContext({ log, limitedLog: new LimitedLog(log, systemClock), store, dialects: DIALECTS });
  const problems: string[] = [];
  const note = (error: unknown): void => {
    problems.push(CarillonError.from(error).message);
  };
  const attempt = (run: () => void): void => {
    try {
      run();
    } catch (error) {
      note(error);
    }
  };
  for (const [path, settings] of Object.entries(config.vhosts)) {
    attempt(() => tryVhostSettings(path, settings, context));
  }
  for (const [name, broker] of Object.entries(config.brokers)) attempt(() => tryBroker(name, broker));
  attempt(() => checkDialects(config, DIALECTS));
  await tryCertificates(config, log).catch(note);
  const notes = describeTopicBytes(config);
  // Credentials that cannot be read are reported above.
  if (problems.length === 0) {
    for (const [name, broker] of Object.entries(config.brokers)) {
      const { problems: found, unreachable } = await probeBroker(config, name, broker);
      if (unreachable !== undefined) {
        notes.push(`brokers.${name}: not reachable, so its history was not checked: ${unreachable}`);
      }
      problems.push(...found.map((problem) => `brokers.${name}: ${problem}`));
    }
  }
  if (problems.length > 0) throw new CarillonError("invalid_argument", problems.join("\n"));
  return notes;
}

/** Notes where `topic_bytes` bounds less than its name says (rule H9). */
function describeTopicBytes({ brokers, vhosts }: Config): string[] {
  const onNats = Object.keys(brokers).filter((name) => brokers[name]?.driver === "nats");
  return Object.entries(vhosts).flatMap(([path, { brokers: named, history }]) => {
    const used = onNats.filter((name) => named?.includes(name) !== false);
    if (used.length === 0) return [];
    const bounded = Object.keys(history).filter((name) => history[name]?.topic_bytes !== undefined);
    const where = used.map((name) => JSON.stringify(name)).join(", ");
    return bounded.map(
      (name) =>
        `vhosts.${path}.history.${name}.topic_bytes: bounds only the size of a message on NATS (broker ${where}), not the sum of a topic's messages`,
    );
  });
}

/** Asks a NATS broker whether it can keep the history classes of the vhosts that use it. */
async function probeBroker(config: Config, name: string, broker: BrokerConfig): Promise<HistoryProbe> {
  const vhosts = Object.values(config.vhosts).filter(({ brokers }) => brokers?.includes(name) !== false);
  const classes = vhosts.flatMap((settings) => [...createHistoryClasses(settings).values()]);
  if (broker.driver === "memory" || classes.length === 0) return { unreachable: undefined, problems: [] };
  return probeHistory(natsOptions(broker), classes, PROBE_TIMEOUT);
}

function tryBroker(name: string, broker: Config["brokers"][string]): void {
  if (broker.driver === "memory") return;
  try {
    const options = natsOptions(broker);
    createNatsAuthenticator(options);
    readTlsOptions(options);
  } catch (error) {
    const { code, message } = CarillonError.from(error);
    throw new CarillonError(code, `brokers.${name}: ${message}`, { cause: error });
  }
}

async function tryCertificates(config: Config, log: Logger): Promise<void> {
  const certificates = createCertificates(config, log);
  try {
    await certificates?.start();
  } catch (error) {
    const { code, message } = CarillonError.from(error);
    throw new CarillonError(code, `tls: ${message}`, { cause: error });
  } finally {
    certificates?.stop();
  }
}
