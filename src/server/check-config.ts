import type { Config } from "../config/schema.js";
import { checkCookie } from "../dialects/webrocket/backend/admin.js";
import { CarillonError } from "../errors.js";
import { createNatsAuthenticator, readTlsOptions } from "../nats/link/credentials.js";
import { LimitedLog } from "../observe/limited-log.js";
import type { Logger } from "../observe/log.js";
import { MemoryStore } from "../store/memory.js";
import { systemClock } from "../util/system-clock.js";
import { createVhostParts } from "../vhosts/parts.js";
import { checkFrameSizes } from "./check-frame-sizes.js";
import { createCertificates } from "./create/create-ports.js";
import { partsContext } from "./create/create-vhosts.js";
import { readConfiguredCookie } from "./create/create-webrocket.js";
import { natsOptions } from "./create/nats-options.js";

/**
 * Tries what a start does with settings and the files that they name. Nothing listens, is connected to or is fetched.
 * @param log - where nothing should come
 * @throws CarillonError invalid_argument that names every fault, one a line
 */
export async function checkConfig(config: Config, log: Logger): Promise<void> {
  const store = new MemoryStore({ clock: systemClock, onError: (message) => log.error(message) });
  const context = partsContext({ log, limitedLog: new LimitedLog(log, systemClock), store });
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
    attempt(() => createVhostParts(path, settings, context).stop());
  }
  for (const [name, broker] of Object.entries(config.brokers)) attempt(() => tryBroker(name, broker));
  attempt(() => checkFrameSizes(config));
  attempt(() => {
    const { admin } = config.webrocket;
    if (admin !== undefined) checkCookie(readConfiguredCookie(admin));
  });
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
