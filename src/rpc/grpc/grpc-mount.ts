import type { Socket } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { ByteBudget } from "../../net/byte-budget.js";
import type { ContinueTrace } from "../../net/http-handler.js";
import { PortListener, type PortOptions } from "../../net/port-listener.js";
import type { Address } from "../../util/address.js";
import type { CallAuthorizer } from "../call-authorizer.js";
import type { OnFault } from "../faults.js";
import type { ServiceImplementations } from "../service.js";
import { GrpcCallers } from "./grpc-callers.js";
import { GrpcGate } from "./grpc-gate.js";
import { toGrpcMethods } from "./grpc-methods.js";
import { addReflection } from "./grpc-reflection.js";
import { IdleStreams } from "./idle-streams.js";

/** Concurrent calls of one connection. A client queues more. */
const MAX_CONCURRENT_CALLS = 256;
/**
 * Milliseconds for which a connection may have no call. It then receives GOAWAY, and gRPC clients reconnect when they need
 * to. The time is longer than load balancers keep idle connections (350 s), so that backends which publish rarely keep
 * theirs, and short enough to remove dead peers.
 */
const IDLE_TIMEOUT = 600_000;
/**
 * Interval of pings and timeout of their answers, in milliseconds. They detect workers whose machine has failed, so that
 * their tasks can be assigned to others.
 */
const KEEPALIVE: Keepalive = { time: 15_000, timeout: 10_000 };

/** Default timeouts of an incomplete request and of an unread answer, in milliseconds. */
const REQUEST_TIMEOUT = 120_000;
const ANSWER_TIMEOUT = 60_000;

/** Largest request to the health service and to reflection, in bytes. They only carry names of services, files and symbols. */
const MAX_LIBRARY_BYTES = 4_096;

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
  /** Default: every 15 s, with a timeout of 10 s. */
  readonly keepalive?: Keepalive;
  /** Receives errors that are faults of this server. */
  readonly onFault: OnFault;
  /** Undefined if traces are not recorded. */
  readonly continueTrace?: ContinueTrace | undefined;
}

/** The gRPC port: the services on @grpc/grpc-js, with the standard health service and reflection. */
export class GrpcMount {
  readonly #port: PortListener;
  readonly #server: Server;
  readonly #health: GrpcHealth;
  readonly #idle = new IdleStreams();

  constructor({ authorizer, budget, onFault, port, requestBytes, services, ...options }: GrpcMountOptions) {
    const {
      idleTimeout = IDLE_TIMEOUT,
      keepalive = KEEPALIVE,
      requestTimeout = REQUEST_TIMEOUT,
      answerTimeout = ANSWER_TIMEOUT,
    } = options;
    const gate = new GrpcGate({ budget, requestTimeout, answerTimeout, onFault });
    const callers = new GrpcCallers(authorizer, gate, port.tls !== undefined, onFault);
    this.#server = new Server({
      "grpc.max_receive_message_length": requestBytes,
      // Each incoming call may hold a request of the largest size.
      "grpc.max_concurrent_streams": MAX_CONCURRENT_CALLS,
      "grpc.max_connection_idle_ms": idleTimeout,
      "grpc.keepalive_time_ms": keepalive.time,
      "grpc.keepalive_timeout_ms": keepalive.timeout,
      // Answers are bounded elsewhere; requests must be bounded here.
      "grpc.max_send_message_length": -1,
      interceptors: [callers.intercept],
    });
    // The port listener terminates TLS before it passes connections to grpc-js.
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    let injected: Socket | undefined;
    gate.guard(this.#server, (session) => {
      const socket = injected;
      // The client's first settings follow its preface.
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
      const { definition, handlers } = toGrpcMethods(service, {
        callers,
        authorizer,
        onFault,
        continueTrace: options.continueTrace,
      });
      gate.allow(definition, { limit: requestBytes, compression: true, acknowledged: true });
      this.#server.addService(definition, handlers);
    }
    const addLibrary: Server["addService"] = (definition, handlers) => {
      gate.allow(definition, { limit: MAX_LIBRARY_BYTES, compression: false, acknowledged: false });
      this.#server.addService(definition, handlers);
    };
    this.#health = new GrpcHealth(
      this.#idle.wrap({ addService: addLibrary }),
      services.map(({ service }) => service.typeName),
    );
    addReflection(
      this.#idle.wrap({ addService: addLibrary }, (metadata, onLost) => {
        return authorizer.watch({ ...callers.of(metadata), action: undefined, onLost });
      }),
      services.map(({ service }) => service),
    );
  }

  /**
   * @returns the address with the real port
   * @throws Error if the address is not available
   */
  listen(): Promise<Address> {
    return this.#port.listen();
  }

  /** Sets the status of every service in the health service. */
  setServing(serving: boolean): void {
    this.#health.setServing(serving);
  }

  /** Refuses new calls, and ends streams that only watch. Resolves when the pending calls are answered. */
  async close(): Promise<void> {
    this.#idle.end();
    const answered = new Promise<void>((resolve) => {
      this.#server.tryShutdown(() => resolve());
    });
    await Promise.all([this.#port.close(), answered]);
  }

  /** Aborts the pending calls. */
  terminate(): void {
    this.#server.forceShutdown();
    this.#port.terminate();
  }
}

/** grpc.health.v1.Health for the whole server ("") and each of its services. */
class GrpcHealth {
  readonly #health: HealthImplementation;
  readonly #names: readonly string[];

  constructor(server: Pick<Server, "addService">, services: readonly string[]) {
    this.#names = ["", ...services];
    this.#health = new HealthImplementation(Object.fromEntries(this.#names.map((name) => [name, "NOT_SERVING"])));
    this.#health.addToServer(server);
  }

  setServing(serving: boolean): void {
    for (const name of this.#names) this.#health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
  }
}
