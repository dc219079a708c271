import { AdmissionControl } from "../../../clients/admission-control.js";
import type { CommandContext } from "../../../commands/command-context.js";
import type { Config } from "../../../config/schema.js";
import { MessageIds } from "../../../core/message.js";
import type { ClientContext } from "../../../dialects/module.js";
import type { RouteFinder } from "../../../dialects/routes.js";
import type { Metrics } from "../../../observe/metrics.js";
import type { Inflations } from "../../../transport/receiving/inflations.js";
import { MessageDeadlines } from "../../../transport/receiving/message-deadlines.js";
import type { Heartbeat } from "../../../transport/websocket/heartbeat.js";
import { WebSocketListener } from "../../../transport/websocket/websocket-listener.js";
import { systemClock } from "../../../util/system-clock.js";
import type { Vhosts } from "../../../vhosts/vhosts.js";
import type { Messaging } from "../create-messaging.js";

export interface ClientSources {
  readonly node: string;
  readonly metrics: Metrics;
  readonly messaging: Messaging;
  readonly vhosts: Vhosts;
  readonly commandContext: CommandContext;
}

type ClientRules = Pick<ClientContext, "clientAddress" | "handshakes" | "onFault" | "onUpgradeRefused" | "openLease">;

/** Creates the options that all listeners for clients share. */
export function createClientContext(sources: ClientSources, rules: ClientRules): ClientContext {
  const { messaging, metrics, node, commandContext, vhosts } = sources;
  return {
    ...rules,
    commandContext,
    fanOut: messaging.fanOut,
    outbox: messaging.outbox,
    clock: systemClock,
    sessionIds: new MessageIds(node, "."),
    exists: (path) => vhosts.get(path) !== undefined,
    admission: new AdmissionControl(vhosts, systemClock),
    onClosed: (code) => {
      metrics.countClose(code);
    },
  };
}

export interface WebSocketRules {
  readonly routeAt: RouteFinder;
  readonly heartbeat: Heartbeat;
  readonly inflations: Inflations;
}

/** Creates the listener for the WebSockets of all dialects. */
export function createWebSockets(config: Config, clients: ClientContext, rules: WebSocketRules): WebSocketListener {
  const { compression, direct_writes: directWrites, limits, timeouts } = config;
  return new WebSocketListener({
    ...clients,
    ...rules,
    limits: { frameBytes: limits.frame, malformedFrames: limits.malformed_frames },
    compression,
    directWrites,
    deadlines: new MessageDeadlines({ clock: systemClock, timeout: timeouts.request }),
  });
}
