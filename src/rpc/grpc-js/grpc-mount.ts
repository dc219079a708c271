import type { Socket } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { PortListener } from "../../net/port-listener.js";
import type { Address } from "../../util/address.js";
import {
  GRPC_TIMES,
  type GrpcMountOptions,
  type GrpcPort,
  MAX_CONCURRENT_CALLS,
  MAX_LIBRARY_BYTES,
} from "../grpc/grpc-mount-options.js";
import { GrpcCallers } from "./grpc-callers.js";
import { GrpcGate } from "./grpc-gate.js";
import { toGrpcMethods } from "./grpc-methods.js";
import { addReflection } from "./grpc-reflection.js";
import { IdleStreams } from "./idle-streams.js";

/** The gRPC port: the services on @grpc/grpc-js, with the standard health service and reflection. */
export class GrpcMount implements GrpcPort {
  readonly #port: PortListener;
  readonly #server: Server;
  readonly #health: GrpcHealth;
  readonly #idle = new IdleStreams();

  constructor({ authorizer, budget, onFault, port, requestBytes, services, ...options }: GrpcMountOptions) {
    const {
      idleTimeout = GRPC_TIMES.idle,
      keepalive = GRPC_TIMES.keepalive,
      requestTimeout = GRPC_TIMES.request,
      answerTimeout = GRPC_TIMES.answer,
    } = options;
    const gate = new GrpcGate({ budget, requestTimeout, answerTimeout, onFault });
    const callers = new GrpcCallers(authorizer, gate, port.tls !== undefined, onFault);
    this.#server = new Server({
      "grpc.max_receive_message_length": requestBytes,
      // Each incoming call may hold a request of the largest size.
      "grpc.max_concurrent_streams": MAX_CONCURRENT_CALLS,
      "grpc.max_connection_idle_ms": idleTimeout,
      ...(options.maxAge !== undefined && { "grpc.max_connection_age_ms": options.maxAge }),
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

  listen(): Promise<Address> {
    return this.#port.listen();
  }

  setServing(serving: boolean): void {
    this.#health.setServing(serving);
  }

  async close(): Promise<void> {
    this.#idle.end();
    const answered = new Promise<void>((resolve) => {
      this.#server.tryShutdown(() => resolve());
    });
    await Promise.all([this.#port.close(), answered]);
  }

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
