import type { Clients } from "../../clients/clients.js";
import type { CommandContext } from "../../commands/command-context.js";
import type { Config } from "../../config/schema.js";
import { looksLikeFrame } from "../../dialects/roadrunner/frame.js";
import type { ErrorCode } from "../../errors.js";
import type { ByteBudget, OpenRequestLease } from "../../net/byte-budget.js";
import { Certificates } from "../../net/certificates.js";
import { clientAddress } from "../../net/client-address.js";
import { FileLimit, readFileLimit } from "../../net/file-limit.js";
import { Networks } from "../../net/networks.js";
import { PendingConnections } from "../../net/pending-connections.js";
import type { PortOptions } from "../../net/port-listener.js";
import type { ClientCertificates } from "../../net/tls-handshakes.js";
import type { LimitedLog } from "../../observe/limited-log.js";
import type { Logger } from "../../observe/log.js";
import { type Metrics, PENDING } from "../../observe/metrics.js";
import type { AnswerBudget } from "../../rpc/answer-budget.js";
import { connectMount } from "../../rpc/connect/connect-mount.js";
import type { Gatekeeper } from "../../rpc/gatekeeper.js";
import { GrpcMount } from "../../rpc/grpc/grpc-mount.js";
import type { ServiceImplementations } from "../../rpc/service.js";
import { isWebSocketPath } from "../../transport/admission/upgrade-required.js";
import { loopbackHosts } from "../../transport/http/host.js";
import { type Handler, HttpListener, type HttpTimes } from "../../transport/http/http-listener.js";
import { originCheck } from "../../transport/http/origin.js";
import { Heartbeat } from "../../transport/websocket/heartbeat.js";
import { type Address, formatAddress, isLoopback } from "../../util/address.js";
import { systemClock } from "../../util/system-clock.js";
import type { VhostAdmin } from "../../vhosts/vhost-admin.js";
import type { Vhosts } from "../../vhosts/vhosts.js";
import type { Dispatch } from "../../workers/dispatch.js";
import { checkFrameSizes } from "../check-frame-sizes.js";
import { createAdmin } from "./create-admin.js";
import { type ClientListeners, createClientListeners } from "./create-client-listeners.js";
import type { Messaging } from "./create-messaging.js";
import { createRest, type RestContext } from "./create-rest.js";
import { RoadRunnerPorts } from "./create-roadrunner.js";
import { createWebrocket, type WebrocketPorts } from "./create-webrocket.js";

export interface PortsContext {
  readonly node: string;
  readonly log: Logger;
  readonly limitedLog: LimitedLog;
  readonly metrics: Metrics;
  readonly messaging: Messaging;
  readonly vhosts: Vhosts;
  readonly clients: Clients;
  readonly services: CommandContext;
  readonly administration: VhostAdmin;
  readonly dispatch: Dispatch;
  readonly rpc: ServiceImplementations;
  readonly gatekeeper: Gatekeeper;
  readonly answers: AnswerBudget;
  /** Bounds what all ports are receiving. */
  readonly budget: ByteBudget;
  /** Pages of the HTTP port. */
  readonly pages: ReadonlyMap<string, Handler>;
  /** Health and metrics: on the HTTP port, or on one of their own. */
  readonly operations: ReadonlyMap<string, Handler>;
  readonly rest: Omit<RestContext, "gatekeeper" | "openLease">;
}

/** Everything that listens, and what it needs below. */
export interface Ports extends ClientListeners {
  readonly heartbeat: Heartbeat;
  readonly http: HttpListener;
  /** Undefined where health and metrics are on the HTTP port. */
  readonly admin: HttpListener | undefined;
  readonly grpc: GrpcMount;
  readonly webrocket: WebrocketPorts;
  readonly roadrunner: RoadRunnerPorts;
  /** Undefined without TLS. */
  readonly certificates: Certificates | undefined;
}

/** Both have port 6001 by default. */
const RPC_ON_GRPC_PORT =
  "RoadRunner RPC (goridge) came to the gRPC port, which does not speak it: set roadrunner.listen, such as " +
  "tcp://127.0.0.1:6002, and give the PHP application that address in place of this one";

/** @throws CarillonError invalid_argument, failed_precondition: settings that cannot be used */
export function createPorts(config: Config, context: PortsContext): Ports {
  const { budget, gatekeeper, limitedLog, log, metrics, operations, pages, rest, rpc: services } = context;
  const onFault = (cause: unknown): void => {
    limitedLog.error({ err: cause }, "a request failed by a fault of this server");
  };
  checkFrameSizes(config);
  const certificates = createCertificates(config, log);
  const trusted = config.trusted_proxies.length === 0 ? undefined : new Networks(config.trusted_proxies);
  const proxies = config.proxy_protocol ? trusted : undefined;
  const files = new FileLimit({
    max: readFileLimit(),
    onRefused: (code) => {
      metrics.countRefusedConnection(code);
      limitedLog.error({ code }, "no file descriptor is free for a connection: raise the limit of open files");
    },
  });
  const pending = new PendingConnections({
    limit: Math.min(config.limits.pending_connections, readFileLimit() / 2),
    proxies: trusted,
    onRefused: () => {
      metrics.countRefusedConnection(PENDING);
      limitedLog.error(
        {},
        "too many connections have not sent a request yet: new ones are cut (limits.pending_connections)",
      );
    },
  });
  const onUpgradeRefused = (code: ErrorCode): void => {
    metrics.countRefusedUpgrade(code);
  };
  const portOf = (address: Address, clients: ClientCertificates = "none"): PortOptions => ({
    address,
    tls: certificates && { certificates, clients },
    files,
    pending,
    proxies,
  });

  const heartbeat = new Heartbeat({ clock: systemClock, ...config.ping });
  const addressOf = clientAddress(trusted);
  const openLease: OpenRequestLease = (request, key) => budget.open({ address: addressOf(request), key });
  const listeners = createClientListeners(config, context, {
    heartbeat,
    trusted,
    onFault,
    onUpgradeRefused,
    openLease,
  });
  const { routeAt, socketIo, webSockets } = listeners;
  const times = timesOf(config);
  const rpc = { services, gatekeeper, requestBytes: config.limits.request, onFault };
  const originAllowed = originCheck({ allowed: config.origins, sameOrigin: !isLoopback(config.http.host) });
  const http = new HttpListener({
    ...portOf(config.http),
    times,
    originAllowed,
    hostAllowed: isLoopback(config.http.host) ? loopbackHosts(originAllowed) : undefined,
    routes: new Map([
      ...pages,
      ...(config.admin.listen === undefined ? operations : []),
      ...createRest(config, { ...rest, gatekeeper, openLease }, { originAllowed, onFault }),
    ]),
    rpc: connectMount({ ...rpc, openLease }),
    upgrades: webSockets,
    onUpgradeRefused,
    isWebSocketPath: (path) => isWebSocketPath(routeAt, path),
    socketIo,
  });
  const admin = createAdmin(config, { operations, portOf, times });
  const webrocket = createWebrocket(config, { ...context, ...rest, onFault, portOf, times });
  const roadrunner = new RoadRunnerPorts(config, { ...context, ...rest, bounds: { files, pending }, onFault });
  const grpc = new GrpcMount({
    port: portOf(config.grpc, clientCertificates(config)),
    ...rpc,
    budget,
    requestTimeout: config.timeouts.request,
    answerTimeout: config.timeouts.answer,
    onFirstBytes: warnOfFirstFrame(config, log),
  });
  return { ...listeners, heartbeat, http, admin, grpc, webrocket, roadrunner, certificates };
}

/** Warns of the first goridge frame on the gRPC port, and not of those of every further attempt to connect. */
function warnOfFirstFrame({ grpc }: Config, log: Logger): (bytes: Buffer) => void {
  let warned = false;
  return (bytes) => {
    if (warned || !looksLikeFrame(bytes)) return;
    warned = true;
    log.warn({ grpc: formatAddress(grpc) }, RPC_ON_GRPC_PORT);
  };
}

function timesOf({ timeouts }: Config): Partial<HttpTimes> {
  const { answer, keep_alive: keepAlive, request } = timeouts;
  return { answer, keepAlive, request };
}

/** Undefined without TLS. They read nothing yet. */
export function createCertificates({ client_certificates, tls }: Config, log: Logger): Certificates | undefined {
  if (tls === undefined) return undefined;
  return new Certificates({
    certFile: tls.cert_file,
    keyFile: tls.key_file,
    clientCaFile: client_certificates?.ca_file,
    minVersion: tls.min_version,
    clock: systemClock,
    onReloaded: (loaded) => {
      log.info({ ...loaded }, "certificate read again");
    },
    onFailed: (error) => {
      log.error({ reason: error.message }, "the new certificate cannot be used, the one before stays");
    },
  });
}

function clientCertificates({ client_certificates }: Config): ClientCertificates {
  if (client_certificates === undefined) return "none";
  return client_certificates.required ? "required" : "optional";
}
