import type { ByteBudget } from "../../net/byte-budget.js";
import type { ContinueTrace } from "../../net/http-handler.js";
import type { PortOptions } from "../../net/port-listener.js";
import type { Address } from "../../util/address.js";
import type { CallAuthorizer } from "../call-authorizer.js";
import type { OnFault } from "../faults.js";
import type { ServiceImplementations } from "../service.js";

/** Concurrent calls of one connection. A client queues more. */
export const MAX_CONCURRENT_CALLS = 256;

/** Largest request to the health service and to reflection, in bytes. They only carry names of services, files and symbols. */
export const MAX_LIBRARY_BYTES = 4_096;

/** Default times of the port, in milliseconds. */
export const GRPC_TIMES = {
  /** For an incomplete request. */
  request: 120_000,
  /** For an unread answer. */
  answer: 60_000,
  /**
   * For a connection without a call. It then receives GOAWAY, and gRPC clients reconnect when they need to. The time is longer
   * than load balancers keep idle connections (350 s), so that backends which publish rarely keep theirs, and short enough to
   * remove dead peers.
   */
  idle: 600_000,
  /** They detect workers whose machine has failed, so that their tasks can be assigned to others. */
  keepalive: { time: 15_000, timeout: 10_000 },
} as const;

/** Interval and timeout of pings, in milliseconds. */
export interface Keepalive {
  readonly time: number;
  readonly timeout: number;
}

export interface GrpcMountOptions {
  /** Receives the first bytes of each connection, before TLS and HTTP/2 read them. */
  readonly onFirstBytes?: (bytes: Buffer) => void;
  readonly port: PortOptions;
  readonly services: ServiceImplementations;
  readonly authorizer: CallAuthorizer;
  /** Largest request, in bytes, as sent and as inflated. */
  readonly requestBytes: number;
  readonly budget: ByteBudget;
  /** Milliseconds within which a request, or a message of a stream that has begun, must arrive; default 2 minutes. */
  readonly requestTimeout?: number;
  /** Milliseconds for which a caller may leave its answer unread; default 1 minute. */
  readonly answerTimeout?: number;
  /** Milliseconds for which a connection may have no call; default 10 minutes. */
  readonly idleTimeout?: number;
  /** Milliseconds after which a connection ends once its calls are answered, give or take a tenth; default: it does not. */
  readonly maxAge?: number | undefined;
  /** Default: every 15 s, with a timeout of 10 s. */
  readonly keepalive?: Keepalive;
  /** Receives errors that are faults of this server. */
  readonly onFault: OnFault;
  /** Undefined if traces are not recorded. */
  readonly continueTrace?: ContinueTrace | undefined;
}

/** The gRPC port, with either server. */
export interface GrpcPort {
  /**
   * @returns the address with the real port
   * @throws Error if the address is not available
   */
  listen(): Promise<Address>;
  /** Sets the status of every service in the health service. */
  setServing(serving: boolean): void;
  /** Refuses new calls, and ends streams that only watch. Resolves when the pending calls are answered. */
  close(): Promise<void>;
  /** Aborts the pending calls. */
  terminate(): void;
}
