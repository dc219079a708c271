import type { Config } from "../config/schema.js";
import type { DialectModule } from "../dialects/module.js";
import { listenAt } from "../net/port-listener.js";
import type { Listeners } from "./create/create-listeners.js";
import type { DIALECTS } from "./dialects.js";

/** Addresses of a node. */
export interface NodeAddresses {
  /** URL of the HTTP port, such as `http://127.0.0.1:8080`. */
  readonly http: string;
  /** HOST:PORT of the gRPC port. */
  readonly grpc: string;
  /** URL of the listener for health and metrics; undefined where they are on the HTTP port. */
  readonly admin: string | undefined;
}

type AddressesOf<Dialect> = Dialect extends DialectModule<string, infer _Node, infer _Vhost, infer Own> ? Own : never;

type Intersection<Union> = (Union extends unknown ? (member: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;

/** Addresses of a node and of the ports of its dialects. */
export type Addresses = NodeAddresses & Intersection<AddressesOf<(typeof DIALECTS)[number]>>;

/**
 * Listens on every address of the configuration.
 * @throws CarillonError failed_precondition: an address cannot be used
 */
export async function listenAll(config: Config, ports: Listeners): Promise<Addresses> {
  const scheme = ports.certificates === undefined ? "http" : "https";
  const grpc = await listenAt("grpc", config.grpc, ports.grpc);
  const http = await listenAt("http", config.http, ports.http);
  const admin = await listenAt("admin.listen", config.admin.listen, ports.admin);
  const node: NodeAddresses = { http: `${scheme}://${http}`, grpc: grpc ?? "", admin: admin && `${scheme}://${admin}` };
  const all: object = { ...node };
  for (const { ports: own } of ports.dialects) Object.assign(all, await own?.listen());
  return all as Addresses;
}
