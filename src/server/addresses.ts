import type { DialectModule } from "../dialects/module.js";
import type { DIALECTS } from "./dialects.js";

/** Addresses of a node. */
export interface NodeAddresses {
  /** URL of the HTTP port, such as `http://127.0.0.1:8080`. */
  readonly http: string;
  /** HOST:PORT of the gRPC port. */
  readonly grpc: string;
  /** URL of the listener for health and metrics; undefined if they are on the HTTP port. */
  readonly admin: string | undefined;
}

type AddressesOf<Dialect> = Dialect extends DialectModule<string, infer _Node, infer _Vhost, infer Own> ? Own : never;

type Intersection<Union> = (Union extends unknown ? (member: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;

/** Addresses of a node and of the ports of its dialects. */
export type Addresses = NodeAddresses & Intersection<AddressesOf<(typeof DIALECTS)[number]>>;
