import type { Config } from "../config/schema.js";
import { CarillonError } from "../errors.js";
import { type Address, formatAddress } from "../util/address.js";
import { errorText } from "../util/native-error.js";
import type { Addresses } from "./addresses.js";
import type { Ports } from "./create/create-ports.js";

/**
 * Begins to listen on every address of the configuration.
 * @throws CarillonError failed_precondition: an address cannot be had
 */
export async function listenAll(config: Config, ports: Ports): Promise<Addresses> {
  const scheme = ports.certificates === undefined ? "http" : "https";
  const { webrocket } = config;
  const grpc = await listenAt("grpc", config.grpc, ports.grpc);
  const http = await listenAt("http", config.http, ports.http);
  const admin = await listenAt("admin.listen", config.admin.listen, ports.admin);
  const webrocketBackend = await listenAt("webrocket.backend", webrocket.backend, ports.webrocket.backend);
  const webrocketAdmin = await listenAt("webrocket.admin", webrocket.admin?.listen, ports.webrocket.admin);
  return {
    http: `${scheme}://${http}`,
    grpc: grpc ?? "",
    admin: admin && `${scheme}://${admin}`,
    webrocketBackend,
    webrocketAdmin: webrocketAdmin && `${scheme}://${webrocketAdmin}`,
    roadrunner: await ports.roadrunner.listen(),
  };
}

/**
 * @param name - of the setting
 * @returns where it listens, as HOST:PORT; undefined where nothing is to
 * @throws CarillonError failed_precondition
 */
async function listenAt(
  name: string,
  wanted: Address | undefined,
  listener: { listen(): Promise<Address> } | undefined,
): Promise<string | undefined> {
  if (wanted === undefined || listener === undefined) return undefined;
  try {
    return formatAddress(await listener.listen());
  } catch (cause) {
    const text = `cannot listen on ${name} address ${formatAddress(wanted)}: ${errorText(cause)}`;
    throw new CarillonError("failed_precondition", text, { cause });
  }
}
