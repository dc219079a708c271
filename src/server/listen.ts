import type { Config } from "../config/schema.js";
import { listenAt } from "../net/port-listener.js";
import type { Addresses, NodeAddresses } from "./addresses.js";
import type { Ports } from "./create/create-ports.js";

/**
 * Begins to listen on every address of the configuration.
 * @throws CarillonError failed_precondition: an address cannot be had
 */
export async function listenAll(config: Config, ports: Ports): Promise<Addresses> {
  const scheme = ports.certificates === undefined ? "http" : "https";
  const grpc = await listenAt("grpc", config.grpc, ports.grpc);
  const http = await listenAt("http", config.http, ports.http);
  const admin = await listenAt("admin.listen", config.admin.listen, ports.admin);
  const node: NodeAddresses = { http: `${scheme}://${http}`, grpc: grpc ?? "", admin: admin && `${scheme}://${admin}` };
  const all: object = { ...node };
  for (const { ports: own } of ports.dialects) Object.assign(all, await own?.listen());
  return all as Addresses;
}
