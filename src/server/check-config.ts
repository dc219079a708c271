import type { Config } from "../config/schema.js";
import { CarillonError } from "../errors.js";
import { createNatsAuthenticator, readTlsOptions } from "../nats/link/credentials.js";
import { LimitedLog } from "../observe/limited-log.js";
import type { Logger } from "../observe/log.js";
import { MemoryStore } from "../store/memory.js";
import { systemClock } from "../util/system-clock.js";
import { tryVhostSettings } from "../vhosts/parts.js";
import { checkDialects } from "./create/create-dialects.js";
import { createCertificates } from "./create/create-listeners.js";
import { createPartsContext } from "./create/create-vhosts.js";
import { natsOptions } from "./create/nats-options.js";
import { DIALECTS } from "./dialects.js";

/**
 * Checks the settings, and the files that they name, like a start does, but without listening or network access.
 * @param log - receives a record only when a part reports a fault
 * @throws CarillonError invalid_argument that names every fault, one per line
 */
export async function checkConfig(config: Config, log: Logger): Promise<void> {
  const store = new MemoryStore({ clock: systemClock, onError: (message) => log.error(message) });
  const context = createPartsContext({ log, limitedLog: new LimitedLog(log, systemClock), store, dialects: DIALECTS });
  const faults: string[] = [];
  const note = (error: unknown): void => {
    faults.push(CarillonError.from(error).message);
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
  if (faults.length > 0) throw new CarillonError("invalid_argument", faults.join("\n"));
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
