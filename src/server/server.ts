import { randomBytes } from "node:crypto";
import type { BrokerRegistry } from "../brokers/registry.js";
import { Clients } from "../clients/clients.js";
import type { CommandContext } from "../commands/command-context.js";
import { toHookSubject } from "../commands/hooks.js";
import { joinOnBehalf, leaveOnBehalf } from "../commands/on-behalf.js";
import { ConfigReader } from "../config/config-reader.js";
import type { Config } from "../config/schema.js";
import { Control } from "../control/control.js";
import { DEFAULT_RULES } from "../core/topic-rules.js";
import type { DialectModule } from "../dialects/module.js";
import { ByteBudget } from "../net/byte-budget.js";
import type { Handler } from "../net/http-handler.js";
import { healthz, readyz } from "../observe/health.js";
import { LimitedLog } from "../observe/limited-log.js";
import type { Logger } from "../observe/log.js";
import type { Metrics } from "../observe/metrics.js";
import { AnswerBudget } from "../rpc/answer-budget.js";
import { Gatekeeper } from "../rpc/gatekeeper.js";
import type { Store } from "../store/store.js";
import { readOnly } from "../transport/http/methods.js";
import { pageRoutes } from "../transport/http/page.js";
import { ignore } from "../util/ignore.js";
import { systemClock } from "../util/system-clock.js";
import type { Addresses } from "./addresses.js";
import { createBrokers } from "./create/create-brokers.js";
import { type ClusterRuntime, createCluster } from "./create/create-cluster.js";
import { type ClusterServices, createClusterServices } from "./create/create-cluster-services.js";
import { createCommandContext } from "./create/create-command-context.js";
import { createMessaging, type Messaging } from "./create/create-messaging.js";
import { createMetrics } from "./create/create-metrics.js";
import { createPorts, type Ports } from "./create/create-ports.js";
import { createRpc, type RpcServices } from "./create/create-rpc.js";
import { createStore } from "./create/create-store.js";
import { createVhosts, type VhostRuntime } from "./create/create-vhosts.js";
import { vhostEvents } from "./create/vhost-events.js";
import { DIALECTS } from "./dialects.js";
import { listenAll } from "./listen.js";
import { servesPage } from "./serves-page.js";
import { warnOpenAccess } from "./warn-open-access.js";
import { withDeadline } from "./with-deadline.js";

/** A node: everything built and joined together, the order in which it starts, and the order in which it stops. */
export class Server {
  readonly #config: Config;
  readonly #dialects: readonly DialectModule[];
  readonly #log: Logger;
  readonly #limitedLog: LimitedLog;
  readonly #metrics: Metrics;
  readonly #store: Store;
  readonly #parts: ClusterRuntime;
  readonly #work: ClusterServices;
  readonly #world: VhostRuntime;
  readonly #brokers: BrokerRegistry;
  readonly #messaging: Messaging;
  readonly #clients: Clients;
  readonly #services: CommandContext;
  readonly #rpc: RpcServices;
  readonly #ports: Ports;
  #addresses: Addresses | undefined;
  #announcedReady = false;
  #toldWhoGetsIn = false;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /**
   * @param config - read by a ConfigReader with the same dialects
   * @throws CarillonError invalid_argument, failed_precondition: settings that cannot be used
   */
  constructor(config: Config, log: Logger, dialects: readonly DialectModule[] = DIALECTS) {
    this.#config = config;
    this.#dialects = dialects;
    this.#log = log;
    const limitedLog = new LimitedLog(log, systemClock);
    this.#limitedLog = limitedLog;
    const node = randomBytes(6).toString("hex");
    const onChanged = (): void => {
      if (this.#addresses === undefined) return;
      this.#tellWhoGetsIn();
      this.#showReadiness();
    };
    this.#store = createStore(config, { log, limitedLog, onChanged });
    this.#parts = createCluster(config, node, { log, limitedLog });
    this.#work = createClusterServices(this.#parts, limitedLog);
    this.#world = this.#createVhosts(onChanged);
    const { vhosts } = this.#world;
    this.#brokers = createBrokers(config, {
      node,
      log,
      limitedLog,
      onUp: onChanged,
      onDown: () => {
        this.#showReadiness();
      },
      namesFor: (vhost) => vhosts.get(vhost)?.settings.brokers,
    });
    this.#messaging = createMessaging(config, {
      node,
      limitedLog,
      brokers: this.#brokers,
      rulesOf: (vhost, topic) => vhosts.get(vhost)?.rulesFor(topic) ?? DEFAULT_RULES,
      onLeft: (session, topic) => {
        this.#services.attendance.left(session, topic);
        this.#services.groups.left(session, topic);
      },
    });
    this.#clients = this.#createClients();
    this.#services = createCommandContext(config, {
      ...this.#work,
      node,
      limitedLog,
      messaging: this.#messaging,
      vhosts,
      clients: this.#clients,
      brokers: this.#brokers,
    });
    const services = this.#services;
    const control = new Control({
      cluster: this.#parts.cluster,
      clients: this.#clients,
      index: this.#messaging.index,
      brokers: this.#brokers,
      clock: systemClock,
      endOfTurn: setImmediate,
      exists: (vhost, topic) => this.#world.vhosts.require(vhost).exists(topic),
      join: (client, broker, topics) => joinOnBehalf(client, broker, topics, services),
      leave: (client, broker, topics) => {
        leaveOnBehalf(client, broker, topics, services);
      },
      admin: this.#world.administration,
    });
    const budget = new ByteBudget(config.limits.receiving);
    const { backend_answer_bytes_per_second: answerRate } = config.limits;
    const answers = new AnswerBudget(answerRate === "off" ? Number.POSITIVE_INFINITY : answerRate, systemClock);
    this.#metrics = createMetrics({
      node,
      budget,
      ...this.#work,
      messaging: this.#messaging,
      world: this.#world,
      brokers: this.#brokers,
      cluster: this.#parts.cluster,
      store: this.#store,
      connections: () => this.#ports.connections(),
      inflatedBytes: () => this.#ports.inflations.bytes,
    });
    const { publisher } = this.#messaging;
    const onPublished = (seconds: number): void => {
      this.#metrics.observePublish(seconds);
    };
    this.#rpc = createRpc({
      ...this.#work,
      limitedLog,
      vhosts,
      brokers: this.#brokers,
      publisher,
      control,
      onPublished,
    });
    this.#ports = createPorts(config, {
      dialects,
      node,
      log,
      limitedLog,
      metrics: this.#metrics,
      messaging: this.#messaging,
      vhosts,
      services,
      administration: this.#world.administration,
      dispatch: this.#work.dispatch,
      rpc: this.#rpc.services,
      gatekeeper: new Gatekeeper(this.#world.keyring, systemClock, answers),
      answers,
      budget,
      keyring: this.#world.keyring,
      publisher,
      control,
      onPublished,
      pages: servesPage(config) ? pageRoutes(dialects) : new Map<string, Handler>(),
      operations: this.#createOperations(),
    });
  }

  /** Undefined until the node listens. */
  get addresses(): Addresses | undefined {
    return this.#addresses;
  }

  /** Whether backends have to show who they are. Run-time keys count once the store has been read. */
  get asksForKeys(): boolean {
    return !this.#world.keyring.open;
  }

  /**
   * Resolves when the node listens. Brokers that cannot be reached yet are tried on; until they are there, `/readyz`
   * says no.
   * @throws CarillonError failed_precondition when a broker refuses this node, or an address cannot be had
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { certificates, heartbeat } = this.#ports;
    const { bus, cluster } = this.#parts;
    const { dispatch, presence } = this.#work;
    try {
      await certificates?.start();
      await this.#store.start();
      await this.#world.leases.start();
      await this.#world.vhosts.start();
      await Promise.all([...this.#brokers.all].map(({ driver }) => driver.start()));
      await bus.start();
      await cluster.start();
      await Promise.all([dispatch.start(), presence.start()]);
      this.#addresses = await listenAll(this.#config, this.#ports);
    } catch (error) {
      this.#stopping ??= this.#stop();
      await this.#stopping;
      throw error;
    }
    heartbeat.start();
    this.#tellWhoGetsIn();
    this.#showReadiness();
    if (!this.#announcedReady) {
      this.#log.warn({ ...this.#addresses, waiting_for: this.#readiness() }, "listening, not ready yet");
    }
  }

  /** Stops gracefully, within the configured time. Calling it again waits for the same stop. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopOnceStarted();
    return this.#stopping;
  }

  /** What half of a start has opened could not be closed. */
  async #stopOnceStarted(): Promise<void> {
    // The caller of start() gets the error.
    await this.#starting?.catch(ignore);
    await this.#stop();
  }

  async #stop(): Promise<void> {
    const end = systemClock.monotonic() + this.#config.stop_timeout;
    const left = (): number => Math.max(100, end - systemClock.monotonic());
    const { admin, certificates, dialects, grpc, heartbeat, http, webSockets } = this.#ports;
    const { fanOut, hub, interest, publisher } = this.#messaging;
    const { bus, cluster } = this.#parts;
    const { dispatch, presence } = this.#work;
    grpc.setServing(false);
    const closed = [http.close(), admin?.close(), grpc.close(), ...dialects.map(({ ports }) => ports?.close())];
    const listeners = [webSockets, ...dialects.flatMap(({ clients }) => clients ?? [])];
    for (const listener of listeners) listener.close();
    // What is asked and worked on may take half of the time; the rest of it is for all others.
    await withDeadline(systemClock.monotonic() + this.#config.stop_timeout / 2, this.#rpc.drainWork());
    dispatch.stop();
    this.#rpc.stop();
    await withDeadline(end, publisher.close());

    fanOut.flush();
    for (const session of hub.sessions) hub.remove(session, "service_restart");
    heartbeat.stop();
    interest.stop();
    const drained = await withDeadline(
      end,
      Promise.all([...listeners.map((listener) => listener.drained()), ...closed]),
    );
    if (!drained) this.#log.warn("cutting connections that did not end in time");
    for (const listener of listeners) listener.terminate();
    http.terminate();
    admin?.terminate();
    for (const { ports } of dialects) ports?.terminate();
    grpc.terminate();

    this.#clients.stop();
    certificates?.stop();
    await withDeadline(end, this.#world.leases.stop());
    const told = await withDeadline(end, this.#world.vhosts.drained());
    if (!told) this.#log.warn("backends were not told of all disconnects in time");
    this.#world.vhosts.stop();
    presence.stop();
    await cluster.stop(left());
    await Promise.all([
      bus.stop(left()),
      withDeadline(end, this.#store.stop()),
      ...[...this.#brokers.all].map(({ driver }) => driver.stop(left())),
    ]);
    this.#limitedLog.stop();
    this.#log.info("stopped");
  }

  #readiness(): string[] {
    if (this.#stopping !== undefined) return ["stopping"];
    if (this.#addresses === undefined) return ["starting"];
    return [...this.#brokers.down.map((name) => `broker ${name} is not connected`), ...this.#storeReasons()];
  }

  #storeReasons(): string[] {
    if (!this.#world.vhosts.loaded) return ["the store has not been read"];
    return this.#store.up ? [] : ["the store cannot be used"];
  }

  /** Tells the health service, and the log the first time, when the node has become ready or no longer is. */
  #showReadiness(): void {
    const ready = this.#readiness().length === 0;
    this.#ports.grpc.setServing(ready);
    if (!ready || this.#announcedReady) return;
    this.#announcedReady = true;
    this.#log.info({ ...this.#addresses }, "ready");
  }

  /** Once, when it is known what keys and vhosts the store holds. */
  #tellWhoGetsIn(): void {
    const { keyring, vhosts } = this.#world;
    if (this.#toldWhoGetsIn || !vhosts.loaded) return;
    this.#toldWhoGetsIn = true;
    warnOpenAccess(this.#config, { vhosts, keyring, log: this.#log });
  }

  #createVhosts(onLoaded: () => void): VhostRuntime {
    const reader = new ConfigReader(this.#dialects);
    return createVhosts(this.#config, {
      log: this.#log,
      limitedLog: this.#limitedLog,
      store: this.#store,
      dialects: this.#dialects,
      parse: (path, given) => reader.parseVhost(path, given),
      events: {
        onLoaded,
        ...vhostEvents(() => this.#services),
      },
    });
  }

  #createClients(): Clients {
    const clients = new Clients(this.#messaging.hub, systemClock);
    clients.listen({
      onOpened: () => {},
      onClosed: (client, code, reason) => {
        if (client.introduced) client.vhost.hooks?.onDisconnect({ client: toHookSubject(client), code, reason });
      },
    });
    return clients;
  }

  #createOperations(): Map<string, Handler> {
    return new Map<string, Handler>([
      ["/healthz", readOnly(healthz)],
      ["/readyz", readOnly(readyz(() => this.#readiness()))],
      ["/metrics", readOnly(this.#metrics.handler)],
    ]);
  }
}
