import { AdmissionControl } from "../../clients/admission-control.js";
import type { Clients } from "../../clients/clients.js";
import type { CommandContext } from "../../commands/command-context.js";
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
  readonly services: CommandContext;
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
  const common = { ...createCommonOptions(context, rules), inside };
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
    deadlines,
  });
  const socketIo = config.dialects.includes("socketio")
    ? new SocketIoListener({
        ...common,
        path: config.socketio.path,
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

/** Creates the options that both listeners share. */
function createCommonOptions(context: ClientListenersContext, rules: ClientListenersRules) {
  const { messaging, metrics, node, services, vhosts } = context;
  const { onFault, onUpgradeRefused, openLease, trusted } = rules;
  return {
    services,
    fanOut: messaging.fanOut,
    outbox: messaging.outbox,
    clock: systemClock,
    onFault,
    onUpgradeRefused,
    openLease,
    clientAddress: clientAddress(trusted),
    sessionIds: new MessageIds(node, "."),
    admission: new AdmissionControl(vhosts, systemClock),
    onClosed: (code: number) => {
      metrics.countClose(code);
    },
  };
}
