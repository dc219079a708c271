import { randomBytes } from "node:crypto";
import { DashboardSessions } from "../../admin/dashboard-sessions.js";
import type { BrokerRegistry } from "../../brokers/registry.js";
import { Clients } from "../../clients/clients.js";
import { ConnectionAges } from "../../clients/connection-ages.js";
import type { CommandContext } from "../../commands/command-context.js";
import { toHookSubject } from "../../commands/hooks.js";
import { joinOnBehalf, leaveOnBehalf } from "../../commands/on-behalf.js";
import { ConfigReader } from "../../config/config-reader.js";
import type { Config } from "../../config/schema.js";
import { Control, type ControlOptions } from "../../control/control.js";
import type { Hub } from "../../core/hub.js";
import { DEFAULT_RULES } from "../../core/topic-rules.js";
import type { TraceContext } from "../../core/tracing/trace-context.js";
import type { DialectModule } from "../../dialects/module.js";
import type { HistoryPreparation } from "../../history/history-preparation.js";
import { ByteBudget } from "../../net/byte-budget.js";
import type { Handler } from "../../net/http-handler.js";
import { healthz, type Readiness, readyz } from "../../observe/health.js";
import { LimitedLog } from "../../observe/limited-log.js";
import type { Logger } from "../../observe/log.js";
import { createMetricsHandler, Metrics, type WrittenMetrics } from "../../observe/metrics.js";
import { ProcessLoad } from "../../observe/process-load.js";
import type { Siblings } from "../../processes/siblings.js";
import { AnswerBudget } from "../../rpc/answer-budget.js";
import { CallAuthorizer } from "../../rpc/call-authorizer.js";
import type { Store } from "../../store/store.js";
import { createTracing, type Tracing } from "../../tracing/tracing.js";
import { allowReads } from "../../transport/http/methods.js";
import { createPageRoutes } from "../../transport/http/page.js";
import { packageVersion } from "../../util/package-root.js";
import { systemClock } from "../../util/system-clock.js";
import { servesPage } from "../serves-page.js";
import { createBrokers } from "./create-brokers.js";
import { type ClusterRuntime, createCluster } from "./create-cluster.js";
import { type ClusterServices, createClusterServices } from "./create-cluster-services.js";
import { createCommandContext } from "./create-command-context.js";
import { createHistoryPreparation } from "./create-history-preparation.js";
import { createListeners, type Listeners } from "./create-listeners.js";
import { createMessaging, type Messaging } from "./create-messaging.js";
import { createNodeReader } from "./create-node-reader.js";
import { createReadings } from "./create-readings.js";
import { createRpc, type RpcServices } from "./create-rpc.js";
import { createStore } from "./create-store.js";
import { createVhostEvents, createVhosts, type VhostRuntime } from "./create-vhosts.js";

export interface NodeContext {
  readonly log: Logger;
  readonly dialects: readonly DialectModule[];
  /** The other processes of this machine; undefined if this one is the only one. */
  readonly siblings: Siblings | undefined;
  /** Reads the configuration again. */
  readonly reload: ControlOptions["reload"];
  /** Lists what the node waits for before it is ready. */
  readonly readiness: () => readonly string[];
  /** Whether the node is stopping. */
  readonly stopping: () => boolean;
  /** Called when a broker, the store or the vhosts may have become ready. */
  readonly onChanged: () => void;
  /** Called when a broker is lost. */
  readonly onBrokerDown: () => void;
}

/** The parts of a node, which have not started yet. */
export interface NodeParts {
  readonly limitedLog: LimitedLog;
  readonly processLoad: ProcessLoad;
  readonly store: Store;
  readonly clusterRuntime: ClusterRuntime;
  readonly clusterServices: ClusterServices;
  readonly vhostRuntime: VhostRuntime;
  readonly brokers: BrokerRegistry;
  readonly historyPreparation: HistoryPreparation;
  readonly messaging: Messaging;
  readonly commands: CommandContext;
  readonly clients: Clients;
  readonly connectionAges: ConnectionAges;
  readonly budget: ByteBudget;
  readonly answers: AnswerBudget;
  readonly rpc: RpcServices;
  readonly listeners: Listeners;
  readonly metrics: Metrics;
  /** Undefined if traces are not recorded. */
  readonly tracing: Tracing | undefined;
}

/**
 * Creates the parts of a node and connects them.
 * @param config - of the running node, whose live settings may change
 * @throws CarillonError invalid_argument, failed_precondition: settings that cannot be used
 */
export function createNode(config: Config, context: NodeContext): NodeParts {
  const { dialects, log, onBrokerDown, onChanged, readiness, reload, siblings, stopping } = context;
  const limitedLog = new LimitedLog(log, systemClock);
  const node = randomBytes(6).toString("hex");
  const logs = { log, limitedLog };
  const tracing = createTracing(node, packageVersion, (broker) => systemOf(config, broker));
  const store = createStore(config, { ...logs, onChanged });
  const clusterRuntime = createCluster(config, node, logs);
  const clusterServices = createClusterServices(clusterRuntime, limitedLog, tracing?.tasks);
  const reader = new ConfigReader(dialects);
  const vhostRuntime = createVhosts(config, {
    ...logs,
    store,
    dialects,
    tracing,
    parse: (path, rawSettings) => reader.parseVhost(path, rawSettings),
    events: {
      onLoaded: onChanged,
      onHistoryChanged: (vhost) => {
        historyPreparation.vhostChanged(vhost);
      },
      ...createVhostEvents(() => commands),
    },
  });
  const { administration, keyring, vhosts } = vhostRuntime;
  const brokers = createBrokers(config, {
    node,
    ...logs,
    onUp: (name) => {
      historyPreparation.brokerUp(name);
      onChanged();
    },
    onDown: onBrokerDown,
    namesFor: (vhost) => vhosts.get(vhost)?.settings.brokers,
  });
  const historyPreparation: HistoryPreparation = createHistoryPreparation(brokers, vhosts, log);
  const messaging = createMessaging(config, {
    node,
    limitedLog,
    brokers,
    tracing,
    rulesOf: (vhost, topic) => vhosts.get(vhost)?.rulesFor(topic) ?? DEFAULT_RULES,
    historyOf: (vhost) => vhosts.get(vhost)?.history,
    onWritten: (message) => {
      metrics.observeDelivery(message);
    },
    onLeft: (session, topic) => {
      commands.attendance.left(session, topic);
      commands.groups.left(session, topic);
    },
  });
  const clients = createClients(messaging.hub);
  const connectionAges = createConnectionAges(config, clients);
  const shared = { ...clusterServices, node, limitedLog, messaging, vhosts, clients, brokers };
  const commands: CommandContext = createCommandContext(config, shared);
  const processLoad = new ProcessLoad(() => systemClock.monotonic());
  const control = new Control({
    cluster: clusterRuntime.cluster,
    clients,
    index: messaging.index,
    brokers,
    clock: systemClock,
    endOfTurn: setImmediate,
    hub: messaging.hub,
    get rate() {
      return config.drain.rate;
    },
    isReady: () => readiness().length === 0,
    requireVhost: (path) => vhosts.require(path),
    reload,
    exists: (vhost, topic) => vhosts.require(vhost).exists(topic),
    join: (client, broker, topics) => joinOnBehalf(client, broker, topics, commands),
    leave: (client, broker, topics) => {
      leaveOnBehalf(client, broker, topics, commands);
    },
    admin: administration,
    readNode: createNodeReader(config, {
      ...shared,
      ...clusterRuntime,
      store,
      processLoad,
      readiness,
      connections: () => listeners.connections(),
    }),
  });
  const budget = new ByteBudget(config.limits.receiving);
  const answers = new AnswerBudget(readAnswerRate(config), systemClock);
  const readings = createReadings({
    ...shared,
    budget,
    vhostRuntime,
    recoveries: commands.recoveries,
    historyPreparation,
    clusterRuntime,
    store,
    draining: stopping,
    connectionLimit: () => config.limits.connections,
    connections: () => listeners.connections(),
    inflatedBytes: () => listeners.inflations.bytes,
    handshakes: () => listeners.handshakes.counts,
  });
  const metrics: Metrics = new Metrics(readings, { exemplars: tracing !== undefined });
  const { outbox, publisher } = messaging;
  const sessions = new DashboardSessions({
    clock: systemClock,
    lifetime: config.admin.session,
    keyring,
    cluster: clusterRuntime.cluster,
    hasVhost: (vhost) => vhosts.get(vhost) !== undefined,
  });
  const onPublished = (seconds: number, trace?: TraceContext): void => {
    metrics.observePublish(seconds, trace);
  };
  const rpc = createRpc({ ...shared, publisher, control, onPublished, subscriptions: commands, outbox });
  const listeners: Listeners = createListeners(config, {
    ...shared,
    dialects,
    log,
    metrics,
    continueTrace: tracing?.continue,
    commandContext: commands,
    administration,
    rpc: rpc.services,
    authorizer: new CallAuthorizer(sessions, systemClock, answers),
    sessions,
    answers,
    budget,
    keyring,
    publisher,
    control,
    onPublished,
    pages: servesPage(config) ? createPageRoutes(dialects) : new Map<string, Handler>(),
    operations: createOperations(metrics, readiness, siblings),
    siblings,
  });
  return {
    limitedLog,
    processLoad,
    store,
    clusterRuntime,
    clusterServices,
    vhostRuntime,
    brokers,
    historyPreparation,
    messaging,
    commands,
    clients,
    connectionAges,
    budget,
    answers,
    rpc,
    listeners,
    metrics,
    tracing,
  };
}

/** Returns the system that carries the messages of a broker; undefined for one within this process. */
function systemOf({ brokers }: Config, broker: string): string | undefined {
  const driver = brokers[broker]?.driver;
  return driver === "memory" ? undefined : driver;
}

function createConnectionAges(config: Config, clients: Clients): ConnectionAges {
  const age = (): number | undefined => (config.max_connection_age === "off" ? undefined : config.max_connection_age);
  return new ConnectionAges({ clients, clock: systemClock, age });
}

/** Returns the bytes of list answers to one key per second. */
export function readAnswerRate({ limits: { backend_answer_bytes_per_second: rate } }: Config): number {
  return rate === "off" ? Number.POSITIVE_INFINITY : rate;
}

function createClients(hub: Hub): Clients {
  const clients = new Clients(hub, systemClock);
  clients.listen({
    onOpened: () => {},
    onClosed: (client, code, reason) => {
      if (client.connectHookDone) client.vhost.hooks?.onDisconnect({ client: toHookSubject(client), code, reason });
    },
  });
  return clients;
}

function createOperations(
  metrics: Metrics,
  ownReadiness: NodeContext["readiness"],
  siblings: Siblings | undefined,
): Map<string, Handler> {
  const readiness = (): ReturnType<Readiness> => siblings?.readiness() ?? ownReadiness();
  const write = (accept: string): Promise<WrittenMetrics> => siblings?.metrics() ?? metrics.write(accept);
  return new Map<string, Handler>([
    ["/healthz", allowReads(healthz)],
    ["/readyz", allowReads(readyz(readiness))],
    ["/metrics", allowReads(createMetricsHandler(write))],
  ]);
}
