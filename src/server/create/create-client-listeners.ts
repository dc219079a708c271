import type { AdmittedClient, Arrival } from "../../clients/admission.js";
import { AdmissionControl } from "../../clients/admission-control.js";
import type { Client } from "../../clients/client.js";
import type { Clients } from "../../clients/clients.js";
import { createRates } from "../../clients/rates.js";
import { joinOnBehalf } from "../../commands/on-behalf.js";
import type { Services } from "../../commands/services.js";
import type { Config } from "../../config/schema.js";
import { MessageIds } from "../../core/message.js";
import { SocketIoListener } from "../../dialects/socketio/engine/listener.js";
import type { ErrorCode } from "../../errors.js";
import type { OpenRequestLease } from "../../net/byte-budget.js";
import { clientAddress } from "../../net/client-address.js";
import type { Networks } from "../../net/networks.js";
import type { Metrics } from "../../observe/metrics.js";
import type { RouteFinder } from "../../transport/admission/vhost-paths.js";
import { Inflations } from "../../transport/receiving/inflations.js";
import { MessageDeadlines } from "../../transport/receiving/message-deadlines.js";
import type { Heartbeat } from "../../transport/websocket/heartbeat.js";
import { WebSocketListener } from "../../transport/websocket/websocket-listener.js";
import { systemClock } from "../../util/system-clock.js";
import type { Vhosts } from "../../vhosts/vhosts.js";
import type { Messaging } from "./create-messaging.js";
import { createRoutes } from "./create-routes.js";

export interface ClientListenersContext {
  readonly node: string;
  readonly metrics: Metrics;
  readonly messaging: Messaging;
  readonly vhosts: Vhosts;
  readonly clients: Clients;
  readonly services: Services;
}

export interface ClientListenersRules {
  readonly heartbeat: Heartbeat;
  readonly trusted: Networks | undefined;
  readonly onFault: (cause: unknown) => void;
  readonly onUpgradeRefused: (code: ErrorCode) => void;
  readonly openLease: OpenRequestLease;
}

/** Where clients come in. */
export interface ClientListeners {
  /** Finds what is spoken on the paths of WebSockets. */
  readonly routeAt: RouteFinder;
  readonly webSockets: WebSocketListener;
  readonly inflations: Inflations;
  /** Undefined where the configuration does not name it. */
  readonly socketIo: SocketIoListener | undefined;
}

/** The limit of connections is for all of them together. */
export function createClientListeners(
  config: Config,
  context: ClientListenersContext,
  rules: ClientListenersRules,
): ClientListeners {
  const { limits } = config;
  const { vhosts } = context;
  const exists = (path: string): boolean => vhosts.get(path) !== undefined;
  const inside = (): number => webSockets.connections + (socketIo?.connections ?? 0);
  const common = { ...commonOf(context, rules), inside };
  const routeAt = createRoutes(config, exists);
  const inflations = new Inflations({ clock: systemClock, endOfTurn: setImmediate });
  const deadlines = new MessageDeadlines({ clock: systemClock, timeout: config.timeouts.request });
  const webSockets: WebSocketListener = new WebSocketListener({
    ...common,
    routeAt,
    heartbeat: rules.heartbeat,
    limits: { connections: limits.connections, frameBytes: limits.frame, malformedFrames: limits.malformed_frames },
    compression: config.compression,
    inflations,
    openLease: rules.openLease,
    deadlines,
    onOpened: ({ client }, admitted) => {
      common.onOpened(client, admitted);
    },
  });
  const socketIo = config.dialects.includes("socketio")
    ? new SocketIoListener({
        ...common,
        path: config.socketio.path,
        openLease: rules.openLease,
        deadlines,
        exists,
        settingsOf: (path) => vhosts.require(path).settings.socketio,
        ping: config.ping,
        frameBytes: limits.frame,
        malformedFrames: limits.malformed_frames,
        limit: limits.connections,
      })
    : undefined;
  return { routeAt, webSockets, socketIo, inflations };
}

/** What holds for clients whatever they come by. */
function commonOf(context: ClientListenersContext, { onFault, onUpgradeRefused, trusted }: ClientListenersRules) {
  const { clients, messaging, metrics, node, services, vhosts } = context;
  const reception = new AdmissionControl(vhosts, systemClock);
  return {
    services,
    fanOut: messaging.fanOut,
    outbox: messaging.outbox,
    clock: systemClock,
    onFault,
    onUpgradeRefused,
    clientAddress: clientAddress(trusted),
    sessionIds: new MessageIds(node, "."),
    admit: (arrival: Arrival) => reception.admit(arrival),
    credentialsOf: (path: string) => vhosts.require(path).settings.credentials,
    forwardOf: (path: string) => vhosts.require(path).settings.hooks?.forward ?? [],
    factsOf: ({ origin, vhost: path }: Arrival, admitted: AdmittedClient) => {
      const vhost = vhosts.require(path);
      return { vhost, origin, admitted, connected: systemClock.now(), rates: createRates(vhost.settings, systemClock) };
    },
    onOpened: (client: Client, { topics }: AdmittedClient) => {
      clients.add(client);
      if (topics.length === 0) return;
      joinOnBehalf(client, "", topics, services).catch((error: unknown) => {
        services.onFailedJoin(client.session.id, error);
        clients.disconnect(client, "not_joined");
      });
    },
    onClosed: (code: number) => {
      metrics.countClose(code);
    },
  };
}
