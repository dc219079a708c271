import type { Socket } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { ByteBudget } from "../../net/byte-budget.js";
import { PortListener, type PortOptions } from "../../net/port-listener.js";
import type { Address } from "../../util/address.js";
import type { OnFault } from "../faults.js";
import type { Gatekeeper } from "../gatekeeper.js";
import type { ServiceImplementations } from "../service.js";
import { GrpcCallers } from "./grpc-callers.js";
import { GrpcGate } from "./grpc-gate.js";
import { GrpcHealth } from "./grpc-health.js";
import { grpcMethods } from "./grpc-methods.js";
import { addReflection } from "./grpc-reflection.js";
import { IdleStreams } from "./idle-streams.js";

/** Calls that one connection may have under way; a client waits with more. */
const MAX_CONCURRENT_CALLS = 256;
/**
 * How long a connection may have no call under way, in milliseconds. It is then told to go (GOAWAY), and gRPC clients make
 * another when they need one. Longer than load balancers leave silent connections (350 s), so that backends which
 * publish now and then keep theirs; what said hello and died does not stay for ever.
 */
const IDLE_TIMEOUT = 600_000;
/**
 * How often a connection is pinged, and how long the answer may take, in milliseconds: a worker whose machine is gone
 * without a word is known to be lost, and what it had goes to others.
 */
const KEEPALIVE: Keepalive = { time: 15_000, timeout: 10_000 };

/** In milliseconds. */
const REQUEST_TIMEOUT = 120_000;
const ANSWER_TIMEOUT = 60_000;

/** Largest request of the health service and of reflection, in bytes: names of services, files and symbols. */
const MOST_LIBRARY_BYTES = 4_096;

/** In milliseconds. */
export interface Keepalive {
  readonly time: number;
  readonly timeout: number;
}

export interface GrpcMountOptions {
  /** Told the first bytes of each connection, before TLS and HTTP/2 read them. */
  readonly onFirstBytes?: (bytes: Buffer) => void;
  readonly port: PortOptions;
  readonly services: ServiceImplementations;
  readonly gatekeeper: Gatekeeper;
  /** Largest request, in bytes, as sent and as inflated. */
  readonly requestBytes: number;
  readonly budget: ByteBudget;
  /** Milliseconds that a request, or a message of a stream that has begun, may take to arrive; 2 minutes unless said otherwise. */
  readonly requestTimeout?: number;
  /** Milliseconds for which a caller may take nothing of its answer; a minute unless said otherwise. */
  readonly answerTimeout?: number;
  /** Milliseconds that a connection may have no call under way; 10 minutes unless said otherwise. */
  readonly idleTimeout?: number;
  /** Every 15 s, for 10 s, unless said otherwise. */
  readonly keepalive?: Keepalive;
  /** Told of errors that are faults of this server and not refusals. */
  readonly onFault: OnFault;
}

/** The gRPC port: the services on @grpc/grpc-js, with the standard health service and reflection. */
export class GrpcMount {
  readonly #port: PortListener;
  readonly #server: Server;
  readonly #health: GrpcHealth;
  readonly #idle = new IdleStreams();

  constructor({ budget, gatekeeper, onFault, port, requestBytes, services, ...options }: GrpcMountOptions) {
    const {
      idleTimeout = IDLE_TIMEOUT,
      keepalive = KEEPALIVE,
      requestTimeout = REQUEST_TIMEOUT,
      answerTimeout = ANSWER_TIMEOUT,
    } = options;
    const gate = new GrpcGate({ budget, requestTimeout, answerTimeout, onFault });
    const callers = new GrpcCallers(gatekeeper, gate, port.tls !== undefined, onFault);
    this.#server = new Server({
      "grpc.max_receive_message_length": requestBytes,
      // Each call that is being received may hold a request of the largest size.
      "grpc.max_concurrent_streams": MAX_CONCURRENT_CALLS,
      "grpc.max_connection_idle_ms": idleTimeout,
      "grpc.keepalive_time_ms": keepalive.time,
      "grpc.keepalive_timeout_ms": keepalive.timeout,
      // Answers are small; what a client sends is what must be bounded.
      "grpc.max_send_message_length": -1,
      interceptors: [callers.intercept],
    });
    // TLS has been done when a connection comes to grpc-js.
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    let injected: Socket | undefined;
    gate.guard(this.#server, (session) => {
      const socket = injected;
      // The first settings follow the preface.
      if (socket !== undefined) session.once("remoteSettings", () => this.#port.settle(socket));
    });
    this.#port = new PortListener({
      ...port,
      alpn: "h2",
      speaksFirst: true,
      onFirstBytes: options.onFirstBytes,
      onConnection: (socket) => {
        injected = socket;
        injector.injectConnection(socket);
        injected = undefined;
      },
    });
    for (const service of services) {
      const { definition, handlers } = grpcMethods(service, { callers, gatekeeper, onFault });
      gate.allow(definition, { limit: requestBytes, compression: true, acknowledged: true });
      this.#server.addService(definition, handlers);
    }
    const addLibrary: Server["addService"] = (definition, handlers) => {
      gate.allow(definition, { limit: MOST_LIBRARY_BYTES, compression: false, acknowledged: false });
      this.#server.addService(definition, handlers);
    };
    this.#health = new GrpcHealth(
      this.#idle.watching({ addService: addLibrary }),
      services.map(({ service }) => service.typeName),
    );
    addReflection(
      this.#idle.watching({ addService: addLibrary }, (metadata, onLost) => {
        return gatekeeper.stay({ ...callers.of(metadata), action: undefined, onLost });
      }),
      services.map(({ service }) => service),
    );
  }

  /**
   * @returns where it listens: the real port where 0 was asked for
   * @throws Error when the address cannot be had
   */
  listen(): Promise<Address> {
    return this.#port.listen();
  }

  /** What the health service says of every service. */
  setServing(serving: boolean): void {
    this.#health.setServing(serving);
  }

  /** Accepts no more calls, and ends the streams that only watch. Resolves when the calls under way are answered. */
  async close(): Promise<void> {
    this.#idle.end();
    const answered = new Promise<void>((resolve) => {
      this.#server.tryShutdown(() => resolve());
    });
    await Promise.all([this.#port.close(), answered]);
  }

  /** Cuts the calls under way. */
  terminate(): void {
    this.#server.forceShutdown();
    this.#port.terminate();
  }
}
