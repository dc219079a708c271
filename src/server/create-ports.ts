import type { Clients } from "../clients/clients.js";
import { ratesOf } from "../clients/rates.js";
import { Reception } from "../clients/reception.js";
import { joinOnBehalf } from "../commands/on-behalf.js";
import type { Services } from "../commands/services.js";
import type { Config } from "../config/schema.js";
import { MessageIds } from "../core/message.js";
import { Certificates } from "../net/certificates.js";
import { clientAddress } from "../net/client-address.js";
import { Networks } from "../net/networks.js";
import type { PortOptions } from "../net/port-listener.js";
import type { Logger } from "../observe/log.js";
import type { Metrics } from "../observe/metrics.js";
import { connectMount } from "../rpc/connect-mount.js";
import type { Gatekeeper } from "../rpc/gatekeeper.js";
import { GrpcMount } from "../rpc/grpc-mount.js";
import type { ServiceImplementations } from "../rpc/services.js";
import { Heartbeat } from "../transport/heartbeat.js";
import { loopbackHosts } from "../transport/host.js";
import { type Handler, HttpListener } from "../transport/http-listener.js";
import { originCheck } from "../transport/origin.js";
import { WebSocketListener } from "../transport/websocket-listener.js";
import { isLoopback } from "../util/address.js";
import { systemClock } from "../util/system-clock.js";
import type { Vhosts } from "../vhosts/vhosts.js";
import type { Messaging } from "./create-messaging.js";
import { createRoutes } from "./create-routes.js";

export interface PortsContext {
  readonly node: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly messaging: Messaging;
  readonly vhosts: Vhosts;
  readonly clients: Clients;
  readonly services: Services;
  readonly rpc: ServiceImplementations;
  readonly gatekeeper: Gatekeeper;
  readonly routes: ReadonlyMap<string, Handler>;
}

/** Everything that listens, and what it needs below. */
export interface Ports {
  readonly heartbeat: Heartbeat;
  readonly webSockets: WebSocketListener;
  readonly http: HttpListener;
  readonly grpc: GrpcMount;
  /** Undefined without TLS. */
  readonly certificates: Certificates | undefined;
}

export function createPorts(config: Config, context: PortsContext): Ports {
  const { gatekeeper, log, routes, rpc: services } = context;
  const onFault = (cause: unknown): void => {
    log.error({ err: cause }, "a request failed by a fault of this server");
  };
  const certificates = createCertificates(config, log);
  const trusted = config.trusted_proxies.length === 0 ? undefined : new Networks(config.trusted_proxies);
  const proxies = config.proxy_protocol ? trusted : undefined;
  const portOf = (name: "http" | "grpc"): PortOptions => ({
    address: config[name],
    tls: certificates && { certificates, clients: name === "grpc" ? clientCertificates(config) : "none" },
    proxies,
  });

  const heartbeat = new Heartbeat({ clock: systemClock, ...config.ping });
  const webSockets = createWebSockets(config, context, { heartbeat, trusted, onFault });
  const rpc = { services, gatekeeper, requestBytes: config.limits.request, onFault };
  const originAllowed = originCheck({ allowed: config.origins, sameOrigin: !isLoopback(config.http.host) });
  const http = new HttpListener({
    ...portOf("http"),
    originAllowed,
    hostAllowed: isLoopback(config.http.host) ? loopbackHosts(originAllowed) : undefined,
    routes,
    rpc: connectMount(rpc),
    upgrade: (request, url, socket, head) => {
      webSockets.upgrade(request, url, socket, head);
    },
  });
  return { heartbeat, webSockets, http, grpc: new GrpcMount({ port: portOf("grpc"), ...rpc }), certificates };
}

interface WebSocketContext {
  readonly heartbeat: Heartbeat;
  readonly trusted: Networks | undefined;
  readonly onFault: (cause: unknown) => void;
}

function createWebSockets(config: Config, context: PortsContext, { heartbeat, onFault, trusted }: WebSocketContext) {
  const { clients, messaging, metrics, node, services, vhosts } = context;
  const { compression, limits } = config;
  const reception = new Reception(vhosts, systemClock);
  return new WebSocketListener({
    services,
    fanOut: messaging.fanOut,
    routeAt: createRoutes(config, (path) => vhosts.get(path) !== undefined),
    admit: (arrival) => reception.admit(arrival),
    credentialsOf: (path) => vhosts.require(path).settings.credentials,
    clientAddress: clientAddress(trusted),
    clock: systemClock,
    onFault,
    sessionIds: new MessageIds(node, "."),
    heartbeat,
    limits: { connections: limits.connections, frameBytes: limits.frame, malformedFrames: limits.malformed_frames },
    outbox: messaging.outbox,
    compression,
    factsOf: ({ origin, vhost: path }, admitted) => {
      const vhost = vhosts.require(path);
      return { vhost, origin, admitted, connected: systemClock.now(), rates: ratesOf(vhost.settings, systemClock) };
    },
    onOpened: ({ client }, { topics }) => {
      clients.add(client);
      if (topics.length === 0) return;
      joinOnBehalf(client, "", topics, services).catch((error: unknown) => {
        services.onFailedJoin(client.session.id, error);
        clients.disconnect(client, "not_joined");
      });
    },
    onClosed: (code) => {
      metrics.countClose(code);
    },
  });
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

function clientCertificates({ client_certificates }: Config): "none" | "optional" | "required" {
  if (client_certificates === undefined) return "none";
  return client_certificates.required ? "required" : "optional";
}
