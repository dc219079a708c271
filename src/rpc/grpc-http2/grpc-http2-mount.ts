import type { Socket } from "node:net";
import { Http2Driver } from "../../http2/http2-driver.js";
import { HTTP2_LIMITS } from "../../http2/http2-limits.js";
import { HANDSHAKE_TIMEOUT, PortListener } from "../../net/port-listener.js";
import type { Address } from "../../util/address.js";
import { GRPC_TIMES, type GrpcMountOptions, type GrpcPort, MAX_CONCURRENT_CALLS } from "../grpc/grpc-mount-options.js";
import { OverdueRequests } from "../grpc/overdue-requests.js";
import { UnreadCalls } from "../grpc/unread-calls.js";
import { beginCall } from "./begin-call.js";
import { CallDeadlines } from "./call-deadlines.js";
import { type CallHead, HeadReader } from "./call-head.js";
import { type CallHost, CallPeer } from "./call-peer.js";
import { createReflection, HealthService } from "./library-services.js";
import { serveLibrary, serveMethods } from "./served-method.js";
import { WatchingCalls } from "./watching-calls.js";

/** The gRPC port: the services on this server's own HTTP/2, with the standard health service and reflection. */
export class GrpcHttp2Mount implements GrpcPort {
  readonly #port: PortListener;
  readonly #driver: Http2Driver<CallHead>;
  readonly #health: HealthService;
  readonly #watching = new WatchingCalls();
  readonly #host: CallHost;

  constructor({ authorizer, budget, onFault, port, requestBytes, services, ...options }: GrpcMountOptions) {
    const {
      answerTimeout = GRPC_TIMES.answer,
      idleTimeout = GRPC_TIMES.idle,
      keepalive = GRPC_TIMES.keepalive,
      maxAge = Number.POSITIVE_INFINITY,
      requestTimeout = GRPC_TIMES.request,
    } = options;
    this.#health = new HealthService(services.map(({ service }) => service.typeName));
    const methods = [
      ...services.flatMap((service) => serveMethods(service, requestBytes)),
      ...[this.#health, ...createReflection(services.map(({ service }) => service))].flatMap(serveLibrary),
    ];
    this.#host = {
      authorizer,
      budget,
      overdue: new OverdueRequests(requestTimeout),
      unread: new UnreadCalls(answerTimeout),
      deadlines: new CallDeadlines(),
      watching: this.#watching,
      onFault,
      continueTrace: options.continueTrace,
    };
    this.#driver = new Http2Driver({
      limits: { ...HTTP2_LIMITS, streams: MAX_CONCURRENT_CALLS },
      times: {
        handshake: port.handshakeTimeout ?? HANDSHAKE_TIMEOUT,
        keepalive: keepalive.time,
        keepaliveTimeout: keepalive.timeout,
        idle: idleTimeout,
        maxAge,
        unread: answerTimeout,
      },
      readHead: new HeadReader(new Map(methods.map((method) => [method.path, method])), onFault).read,
      onFault,
    });
    this.#port = new PortListener({
      ...port,
      alpn: "h2",
      speaksFirst: true,
      onFirstBytes: options.onFirstBytes,
      onConnection: (socket) => this.#serve(socket),
    });
  }

  listen(): Promise<Address> {
    return this.#port.listen();
  }

  setServing(serving: boolean): void {
    this.#health.setServing(serving);
  }

  async close(): Promise<void> {
    this.#watching.end();
    await Promise.all([this.#port.close(), this.#driver.close()]);
  }

  terminate(): void {
    this.#driver.terminate();
    this.#port.terminate();
  }

  #serve(socket: Socket): void {
    const peer = new CallPeer(this.#host, socket);
    this.#driver.serve(socket, {
      onStream: (stream, head) => beginCall(stream, head, peer),
      onReady: () => this.#port.settle(socket),
    });
  }
}
