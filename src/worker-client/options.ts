import { invalidArgument } from "../errors.js";
import type { WorkerStreamOptions, WorkerStreamTls } from "../outbound/worker-stream.js";

/** What a worker is made with. */
export interface WorkerClientOptions {
  /** A node's gRPC port: `grpc://HOST:PORT`, or `grpcs://HOST:PORT` with TLS. */
  readonly url: string;
  /** A key with the action `work`; not needed where a node asks for none, or a client certificate is shown. */
  readonly key?: string;
  /** The key's own, or `/`, where it is left out. */
  readonly vhost?: string;
  /** Most tasks at a time, 1 to 10,000; 10 where it is left out. */
  readonly capacity?: number;
  /** For operators; at most 64 characters. */
  readonly name?: string;
  /** PEM: an authority besides those of Node, and a client certificate. With `grpcs://` only. */
  readonly tls?: WorkerStreamTls;
  /**
   * Told of what nobody else is: a handler that failed with something else than a CarillonError, and a lost connection.
   * A warning of the process where it is left out.
   */
  readonly onError?: (error: Error) => void;
}

const USUAL_CAPACITY = 10;

/** @throws CarillonError invalid_argument: the URL */
export function readConnectionOptions({ key, tls, url, vhost }: WorkerClientOptions): WorkerStreamOptions {
  const [, secure, address = ""] = /^grpc(s?):\/\/([^/?#]+)\/?$/.exec(url) ?? [];
  if (address === "")
    throw invalidArgument(`url: expected grpc://HOST:PORT or grpcs://HOST:PORT, not ${JSON.stringify(url)}`);
  if (secure === "" && tls !== undefined) throw invalidArgument("tls: the url has to begin with grpcs:// for it");
  return { address, key, vhost, tls: secure === "s" ? (tls ?? {}) : undefined };
}

/** @throws CarillonError invalid_argument */
export function readCapacity({ capacity = USUAL_CAPACITY }: WorkerClientOptions): number {
  if (Number.isInteger(capacity) && capacity >= 1 && capacity <= 10_000) return capacity;
  throw invalidArgument(`capacity: expected 1 to 10,000, not ${capacity}`);
}
