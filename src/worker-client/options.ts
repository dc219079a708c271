import { invalidArgument } from "../errors.js";
import type { GrpcClientTls } from "../outbound/grpc-client.js";
import type { WorkerStreamOptions } from "../outbound/worker-stream.js";

/** Options of a worker. */
export interface WorkerClientOptions {
  /** A node's gRPC port: `grpc://HOST:PORT`, or `grpcs://HOST:PORT` with TLS. */
  readonly url: string;
  /** Key with the action `work`. Not needed if the node requires no key, or the worker has a client certificate. */
  readonly key?: string;
  /** Default: the key's own vhost, or `/`. */
  readonly vhost?: string;
  /** Largest number of concurrent tasks, 1 to 10,000; default 10. */
  readonly capacity?: number;
  /** Name for operators; at most 64 characters. */
  readonly name?: string;
  /** PEM of an additional authority, and of a client certificate. Only allowed with `grpcs://`. */
  readonly tls?: GrpcClientTls;
  /**
   * Receives errors that are not reported elsewhere: a handler that failed with an error other than a CarillonError, and a
   * lost connection. Default: a process warning.
   */
  readonly onError?: (error: Error) => void;
}

const DEFAULT_CAPACITY = 10;

/** @throws CarillonError invalid_argument: the URL */
export function readConnectionOptions({ key, tls, url, vhost }: WorkerClientOptions): WorkerStreamOptions {
  const [, secure, address = ""] = /^grpc(s?):\/\/([^/?#]+)\/?$/.exec(url) ?? [];
  if (address === "")
    throw invalidArgument(`url: expected grpc://HOST:PORT or grpcs://HOST:PORT, got ${JSON.stringify(url)}`);
  if (secure === "" && tls !== undefined) throw invalidArgument("tls: requires a grpcs:// url");
  return { address, key, vhost, tls: secure === "s" ? (tls ?? {}) : undefined };
}

/** @throws CarillonError invalid_argument */
export function readCapacity({ capacity = DEFAULT_CAPACITY }: WorkerClientOptions): number {
  if (Number.isInteger(capacity) && capacity >= 1 && capacity <= 10_000) return capacity;
  throw invalidArgument(`capacity: expected 1 to 10,000, got ${capacity}`);
}
