import { DashboardSessions } from "../../admin/dashboard-sessions.js";
import type { Config } from "../../config/schema.js";
import type { TraceContext } from "../../core/tracing/trace-context.js";
import type { Handler } from "../../net/http-handler.js";
import type { Metrics } from "../../observe/metrics.js";
import { CallAuthorizer } from "../../rpc/call-authorizer.js";
import { createPageRoutes } from "../../transport/http/page.js";
import { systemClock } from "../../util/system-clock.js";
import { servesPage } from "../serves-page.js";
import type { Foundations } from "./create-foundations.js";
import { createRpc, type RpcServices } from "./create-rpc.js";
import type { Services } from "./create-services.js";
import type { TopicRuntime } from "./create-topic-runtime.js";
import { createListeners, type Listeners } from "./listeners/create-listeners.js";
import { createOperations } from "./listeners/create-operations.js";
import type { NodeContext } from "./node-context.js";

export interface EdgesContext extends NodeContext, Foundations, TopicRuntime, Services {
  readonly metrics: Metrics;
}

/** The parts that clients and backends connect to. */
export interface Edges {
  readonly rpc: RpcServices;
  readonly listeners: Listeners;
}

/** @throws CarillonError invalid_argument, failed_precondition: settings that cannot be used */
export function createEdges(config: Config, context: EdgesContext): Edges {
  const { answers, clusterRuntime, clusterServices, commands, dialects, messaging, metrics, tracing } = context;
  const { keyring, vhosts, administration } = context.vhostRuntime;
  const { publisher } = messaging;
  const shared = {
    ...context,
    ...clusterServices,
    vhosts,
    publisher,
    onPublished: (seconds: number, trace?: TraceContext): void => {
      metrics.observePublish(seconds, trace);
    },
  };
  const rpc = createRpc({ ...shared, subscriptions: commands, outbox: messaging.outbox });
  const sessions = new DashboardSessions({
    clock: systemClock,
    lifetime: config.admin.session,
    keyring,
    cluster: clusterRuntime.cluster,
    hasVhost: (vhost) => vhosts.get(vhost) !== undefined,
  });
  const listeners = createListeners(config, {
    ...shared,
    continueTrace: tracing?.continue,
    commandContext: commands,
    administration,
    keyring,
    rpc: rpc.services,
    authorizer: new CallAuthorizer(sessions, systemClock, answers),
    sessions,
    pages: servesPage(config) ? createPageRoutes(dialects) : new Map<string, Handler>(),
    operations: createOperations(context),
  });
  return { rpc, listeners };
}
