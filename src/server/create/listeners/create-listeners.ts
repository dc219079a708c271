import { DASHBOARD_PATH } from "../../../admin/dashboard-files.js";
import type { DashboardSessions } from "../../../admin/dashboard-sessions.js";
import { Handshakes } from "../../../clients/handshakes.js";
import type { Config } from "../../../config/schema.js";
import type { DialectContext, DialectModule, DialectParts } from "../../../dialects/module.js";
import { joinRoutes } from "../../../dialects/routes.js";
import type { ErrorCode } from "../../../errors.js";
import type { OpenRequestLease } from "../../../net/byte-budget.js";
import { Certificates } from "../../../net/certificates.js";
import { createClientAddress } from "../../../net/client-address.js";
import { FileLimit, readFileLimit } from "../../../net/file-limit.js";
import type { ContinueTrace, Handler } from "../../../net/http-handler.js";
import { Networks } from "../../../net/networks.js";
import { PendingConnections } from "../../../net/pending-connections.js";
import type { PortOptions } from "../../../net/port-listener.js";
import type { ClientCertificates } from "../../../net/tls-handshakes.js";
import type { LimitedLog } from "../../../observe/limited-log.js";
import type { Logger } from "../../../observe/log.js";
import { PENDING } from "../../../observe/metrics.js";
import { Forwarder, type ForwarderOptions } from "../../../processes/forwarder.js";
import type { Siblings } from "../../../processes/siblings.js";
import type { CallAuthorizer } from "../../../rpc/call-authorizer.js";
import { connectMount } from "../../../rpc/connect/connect-mount.js";
import type { GrpcPort } from "../../../rpc/grpc/grpc-mount-options.js";
import { GrpcHttp2Mount } from "../../../rpc/grpc-http2/grpc-http2-mount.js";
import { GrpcMount } from "../../../rpc/grpc-js/grpc-mount.js";
import type { ServiceImplementations } from "../../../rpc/service.js";
import { isWebSocketPath } from "../../../transport/admission/upgrade-required.js";
import { createLoopbackHostCheck } from "../../../transport/http/host.js";
import { HttpListener } from "../../../transport/http/http-listener.js";
import { createOriginCheck, type OriginCheck } from "../../../transport/http/origin.js";
import { Inflations } from "../../../transport/receiving/inflations.js";
import { Heartbeat } from "../../../transport/websocket/heartbeat.js";
import type { WebSocketListener } from "../../../transport/websocket/websocket-listener.js";
import { type Address, formatAddress, isLoopback } from "../../../util/address.js";
import { systemClock } from "../../../util/system-clock.js";
import { toRetryWindow } from "../../drain-node.js";
import { createAdmin } from "./create-admin.js";
import { type ClientSources, createClientContext, createWebSockets } from "./create-client-listeners.js";
import { createDashboard } from "./create-dashboard.js";
import { createDialects } from "./create-dialects.js";

/** Number of the process that has the sessions of the dashboard. */
const DASHBOARD_OWNER = 1;

export interface ListenersContext
  extends ClientSources,
    Pick<
      DialectContext,
      "administration" | "answers" | "budget" | "control" | "dispatch" | "keyring" | "onPublished" | "publisher"
    > {
  readonly dialects: readonly DialectModule[];
  readonly log: Logger;
  readonly limitedLog: LimitedLog;
  readonly rpc: ServiceImplementations;
  readonly authorizer: CallAuthorizer;
  /** Sessions of the dashboard. */
  readonly sessions: DashboardSessions;
  /** Undefined if traces are not recorded. */
  readonly continueTrace: ContinueTrace | undefined;
  /** Pages of the HTTP port. */
  readonly pages: ReadonlyMap<string, Handler>;
  /** The other processes of this machine; undefined if this one is the only one. */
  readonly siblings: Siblings | undefined;
  /** Handlers for health and metrics, on the HTTP port or on a separate one. */
  readonly operations: ReadonlyMap<string, Handler>;
}

/** The listeners of a node, and their shared resources. */
export interface Listeners {
  readonly heartbeat: Heartbeat;
  readonly http: HttpListener;
  readonly webSockets: WebSocketListener;
  readonly inflations: Inflations;
  /** Undefined when health and metrics are on the HTTP port. */
  readonly admin: HttpListener | undefined;
  readonly grpc: GrpcPort;
  readonly dialects: readonly DialectParts[];
  /** Counts the clients on all listeners. */
  readonly connections: () => number;
  readonly handshakes: Handshakes;
  /** Undefined if this process is the only one. */
  readonly forwarder: Forwarder | undefined;
  /** Undefined without TLS. */
  readonly certificates: Certificates | undefined;
  /** Changes the origins of pages that may connect. */
  readonly changeOrigins: (origins: Config["origins"]) => void;
}

/** @throws CarillonError invalid_argument, failed_precondition: settings that cannot be used */
export function createListeners(config: Config, context: ListenersContext): Listeners {
  const { authorizer, budget, continueTrace, limitedLog, log, metrics, operations, pages, rpc: services } = context;
  const onFault = (cause: unknown): void => {
    limitedLog.error({ err: cause }, "a request failed with an internal error");
  };
  const certificates = createCertificates(config, log);
  const trusted = config.trusted_proxies.length === 0 ? undefined : new Networks(config.trusted_proxies);
  const proxies = config.proxy_protocol ? trusted : undefined;
  const files = new FileLimit({
    max: readFileLimit(),
    onRefused: (code) => {
      metrics.countRefusedConnection(code);
      limitedLog.error({ code }, "no free file descriptor for a new connection: raise the limit of open files");
    },
  });
  const openFiles = readFileLimit();
  const pending = new PendingConnections({
    get limit() {
      return Math.min(config.limits.pending_connections, openFiles / 2);
    },
    proxies: trusted,
    onRefused: () => {
      metrics.countRefusedConnection(PENDING);
      limitedLog.error(
        {},
        "too many connections have not sent a request yet: new ones are closed (limits.pending_connections)",
      );
    },
  });
  const onUpgradeRefused = (code: ErrorCode): void => {
    metrics.countRefusedUpgrade(code);
  };
  const createPortOptions = (address: Address, clients: ClientCertificates = "none"): PortOptions => ({
    address,
    tls: certificates && { certificates, clients },
    files,
    pending,
    proxies,
  });

  const heartbeat = new Heartbeat({ clock: systemClock, ...config.ping });
  const addressOf = createClientAddress(trusted);
  const openLease: OpenRequestLease = (request, key) => budget.open({ address: addressOf(request), key });
  const times = readTimes(config);
  const createCheck = (origins: Config["origins"]): OriginCheck =>
    createOriginCheck({ allowed: origins, sameOrigin: !isLoopback(config.http.host) });
  let checkOrigin = createCheck(config.origins);
  const originAllowed: OriginCheck = (origin, host) => checkOrigin(origin, host);
  const connections = (): number =>
    dialects.reduce((sum, { clients }) => sum + (clients?.connections ?? 0), webSockets.connections);
  const handshakes = createHandshakes(config, connections);
  const clients = createClientContext(context, {
    clientAddress: addressOf,
    handshakes,
    onFault,
    onUpgradeRefused,
    openLease,
  });
  const dialects: readonly DialectParts[] = createDialects(context.dialects, {
    ...context,
    config,
    process: context.siblings?.number,
    clock: systemClock,
    clients,
    authorizer,
    openLease,
    bounds: { files, pending },
    originAllowed,
    createPortOptions,
    times,
    onFault,
  });
  const routeAt = joinRoutes(dialects.flatMap(({ webSockets: find }) => find ?? []));
  const inflations = new Inflations({ clock: systemClock, endOfTurn: setImmediate });
  const webSockets: WebSocketListener = createWebSockets(config, clients, {
    routeAt,
    heartbeat,
    inflations,
  });
  const rpc = { services, authorizer, requestBytes: config.limits.request, onFault };
  const connect = connectMount({ ...rpc, openLease });
  const forwarder = createForwarder(context.siblings, dialects, (socket) => {
    http.accept(socket);
  });
  const http: HttpListener = new HttpListener({
    ...createPortOptions(config.http),
    forwarder,
    times,
    originAllowed,
    hostAllowed: isLoopback(config.http.host) ? createLoopbackHostCheck(originAllowed) : undefined,
    routes: new Map([
      ...pages,
      ...createDashboard(config, { ...context, addressOf, openLease, rpc: connect.handler }),
      ...(config.admin.listen === undefined ? operations : []),
      ...dialects.flatMap(({ routes = new Map<string, Handler>() }) => [...routes]),
    ]),
    rpc: connect,
    continueTrace,
    upgrades: webSockets,
    onUpgradeRefused,
    isWebSocketPath: (path) => isWebSocketPath(routeAt, path),
    listeners: dialects.flatMap(({ clients: listener }) => listener ?? []),
  });
  const admin = createAdmin(config, { operations, createPortOptions, times });
  const { max_connection_age: maxAge, server } = config.grpc;
  const Mount = server === "grpc-js" ? GrpcMount : GrpcHttp2Mount;
  if (server !== "grpc-js") log.info({ server }, "serving the gRPC port with Carillon's own HTTP/2 server");
  const grpc: GrpcPort = new Mount({
    port: createPortOptions(config.grpc.listen, clientCertificates(config)),
    ...rpc,
    continueTrace,
    budget,
    requestTimeout: config.timeouts.request,
    answerTimeout: config.timeouts.answer,
    maxAge: maxAge === "off" ? undefined : maxAge,
    onFirstBytes: warnOfStrayFrames(config, context.dialects, log),
  });
  return {
    heartbeat,
    http,
    webSockets,
    inflations,
    admin,
    grpc,
    dialects,
    connections,
    handshakes,
    forwarder,
    certificates,
    changeOrigins: (origins) => {
      checkOrigin = createCheck(origins);
    },
  };
}

function createHandshakes(config: Config, clientCount: () => number): Handshakes {
  return new Handshakes({
    clock: systemClock,
    rate: readRate(config),
    clientCount,
    get limit() {
      return config.limits.connections;
    },
    get retry() {
      return toRetryWindow(config.drain);
    },
  });
}

/** Creates the forwarder of requests that belong to a connection, or to a session of the dashboard, of another process. */
function createForwarder(
  siblings: Siblings | undefined,
  dialects: readonly DialectParts[],
  onConnection: ForwarderOptions["onConnection"],
): Forwarder | undefined {
  if (siblings === undefined) return undefined;
  return new Forwarder({
    siblings,
    onConnection,
    ownerOf: (request) => {
      const [path = ""] = (request.url ?? "").split("?", 1);
      if (path === DASHBOARD_PATH || path.startsWith(`${DASHBOARD_PATH}/`)) return DASHBOARD_OWNER;
      return dialects.find(({ clients }) => clients?.takes(path) === true)?.clients?.ownerOf?.(request);
    },
  });
}

/** Returns the handshakes per second that the node admits; undefined for no limit. */
export function readRate({ admission: { rate } }: Config): number | undefined {
  return rate === "off" ? undefined : rate;
}

/** Warns once for each protocol that reaches the gRPC port by mistake. */
function warnOfStrayFrames({ grpc }: Config, dialects: readonly DialectModule[], log: Logger): (bytes: Buffer) => void {
  const unseen = new Set(dialects.flatMap(({ strayFrames }) => strayFrames ?? []));
  return (bytes) => {
    for (const frames of unseen) {
      if (!frames.matches(bytes)) continue;
      unseen.delete(frames);
      log.warn({ grpc: formatAddress(grpc.listen) }, frames.advice);
    }
  };
}

function readTimes({ timeouts }: Config): DialectContext["times"] {
  const { answer, keep_alive: keepAlive, request } = timeouts;
  return { answer, keepAlive, request };
}

/** Creates the certificates, which have not been read yet; undefined without TLS. */
export function createCertificates({ client_certificates, tls }: Config, log: Logger): Certificates | undefined {
  if (tls === undefined) return undefined;
  return new Certificates({
    certFile: tls.cert_file,
    keyFile: tls.key_file,
    clientCaFile: client_certificates?.ca_file,
    minVersion: tls.min_version,
    clock: systemClock,
    onReloaded: (loaded) => {
      log.info({ ...loaded }, "certificate reloaded");
    },
    onFailed: (error) => {
      log.error({ reason: error.message }, "invalid new certificate, keeping the previous one");
    },
  });
}

function clientCertificates({ client_certificates }: Config): ClientCertificates {
  if (client_certificates === undefined) return "none";
  return client_certificates.required ? "required" : "optional";
}
