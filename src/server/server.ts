import { ConfigReader } from "../config/config-reader.js";
import type { Config } from "../config/schema.js";
import type { DialectModule } from "../dialects/module.js";
import { CarillonError } from "../errors.js";
import { listenAt } from "../net/port-listener.js";
import type { Logger } from "../observe/log.js";
import type { CollectedMetrics } from "../observe/metrics.js";
import type { Siblings } from "../processes/siblings.js";
import { ignore } from "../util/ignore.js";
import type { Addresses, NodeAddresses } from "./addresses.js";
import { createNode, type NodeParts } from "./create/create-node.js";
import type { Listeners } from "./create/listeners/create-listeners.js";
import { DIALECTS } from "./dialects.js";
import { drainNode, toStopClose } from "./drain-node.js";
import { logRefusedReload, reloadNode } from "./reload-node.js";
import type { ReloadReport } from "./reload-report.js";
import { copyConfig } from "./running-config.js";
import { stopNode } from "./stop-node.js";
import { warnOpenAccess } from "./warn-open-access.js";

export interface ServerOptions {
  /** Default: all dialects. */
  readonly dialects?: readonly DialectModule[];
  /** Reads the configuration again. Without it, only the program can reload. @throws CarillonError invalid_argument */
  readonly readConfig?: () => Config;
  /** The other processes of this machine, whose ports, readiness and metrics are the same. */
  readonly siblings?: Siblings;
}

/** A node: it starts its parts, reports when it is ready, and stops them. */
export class Server {
  /** Copy whose live settings change. */
  readonly #config: Config;
  readonly #log: Logger;
  readonly #parts: NodeParts;
  readonly #dialects: readonly DialectModule[];
  readonly #readConfig: (() => Config) | undefined;
  readonly #siblings: Siblings | undefined;
  /** As it was read. */
  #loaded: Config;
  #reloading: Promise<unknown> = Promise.resolve();
  #addresses: Addresses | undefined;
  #announcedReady = false;
  #warnedOpenAccess = false;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /**
   * @param config - read by a ConfigReader with the same dialects
   * @throws CarillonError invalid_argument, failed_precondition: settings that cannot be used
   */
  constructor(config: Config, log: Logger, { dialects = DIALECTS, readConfig, siblings }: ServerOptions = {}) {
    this.#loaded = config;
    this.#config = copyConfig(config);
    this.#log = log;
    this.#dialects = dialects;
    this.#readConfig = readConfig;
    this.#siblings = siblings;
    this.#parts = createNode(this.#config, {
      log,
      dialects,
      siblings,
      reload: () => logRefusedReload(log, siblings?.reload() ?? this.reload()),
      readiness: () => this.#readiness(),
      stopping: () => this.#stopping !== undefined,
      onChanged: () => {
        if (this.#addresses === undefined) return;
        this.#warnOpenAccess();
        this.#showReadiness();
      },
      onBrokerDown: () => {
        this.#showReadiness();
      },
    });
  }

  /** Undefined until the node listens. */
  get addresses(): Addresses | undefined {
    return this.#addresses;
  }

  /** Whether backends need a key or a certificate. Run-time keys count once the store has been read. */
  get requiresKeys(): boolean {
    return !this.#parts.vhostRuntime.keyring.open;
  }

  /**
   * Starts the node. Resolves when it listens. Unreachable brokers are retried. Until they are connected, `/readyz`
   * reports that the node is not ready.
   * @throws CarillonError failed_precondition: a broker refuses this node, or an address cannot be used
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /** Drains the node, and stops it gracefully, within the configured times. Later calls return the same promise. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopOnceStarted();
    return this.#stopping;
  }

  /**
   * Applies the live settings of another configuration, or reads the node's own one again. Reloads run one after the other.
   * They wait for the start, because the configuration may have changed after it was read.
   * @throws CarillonError unavailable (the node has not started or is stopping), invalid_argument, failed_precondition,
   * already_exists, resource_exhausted: nothing has changed
   */
  reload(next?: Config): Promise<ReloadReport> {
    const reloaded = this.#reloadAfter(this.#reloading, next);
    this.#reloading = reloaded.catch(ignore);
    return reloaded;
  }

  async #reloadAfter(before: Promise<unknown>, given: Config | undefined): Promise<ReloadReport> {
    await before;
    await this.#starting?.catch(ignore);
    if (this.#addresses === undefined || this.#stopping !== undefined) {
      throw new CarillonError("unavailable", "the node has not started or is stopping");
    }
    const next = given ?? this.#readConfig?.();
    if (next === undefined) throw new CarillonError("failed_precondition", "the node was not started from a file");
    const { config, report } = await reloadNode(this.#parts, {
      reader: new ConfigReader(this.#dialects),
      dialects: this.#dialects,
      log: this.#log,
      before: this.#loaded,
      running: this.#config,
      next,
    });
    this.#loaded = config;
    const { changed, restart } = report;
    if (restart.length > 0) this.#log.warn({ restart }, "changed settings that need a restart");
    this.#log.info({ changed }, "configuration reloaded");
    return report;
  }

  /** Reads the node's metrics, to be joined with those of other processes. */
  collectMetrics(): Promise<CollectedMetrics> {
    return this.#parts.metrics.collect();
  }

  async #start(): Promise<void> {
    const { brokers, clusterRuntime, clusterServices, historyPreparation, listeners, store, vhostRuntime } =
      this.#parts;
    try {
      await listeners.certificates?.start();
      await store.start();
      await vhostRuntime.leases.start();
      await vhostRuntime.vhosts.start();
      await Promise.all(
        [...brokers.all].map(async ({ driver, name }) => {
          await driver.start();
          // Not every driver reports its first connection.
          historyPreparation.brokerUp(name);
        }),
      );
      await clusterRuntime.bus.start();
      await clusterRuntime.cluster.start();
      await Promise.all([clusterServices.dispatch.start(), clusterServices.presence.start()]);
      await listeners.forwarder?.listen();
      this.#addresses = await listenAll(this.#config, listeners);
    } catch (error) {
      this.#stopping ??= this.#stop();
      await this.#stopping;
      throw error;
    }
    listeners.heartbeat.start();
    this.#warnOpenAccess();
    this.#showReadiness();
    if (!this.#announcedReady) {
      this.#log.warn({ ...this.#addresses, waiting_for: this.#readiness() }, "listening, not ready yet");
    }
  }

  /** Waits for the start first, because a part that is still opening cannot be closed. */
  async #stopOnceStarted(): Promise<void> {
    // The caller of start() gets the error.
    await this.#starting?.catch(ignore);
    if (this.#addresses !== undefined) {
      this.#showReadiness();
      await drainNode(this.#parts, this.#config.drain, this.#log);
    }
    await this.#stop();
  }

  #stop(): Promise<void> {
    const { drain, stop_timeout: timeout } = this.#config;
    return stopNode(this.#parts, { timeout, close: toStopClose(drain) }, this.#log);
  }

  /** Lists what the node waits for; empty when it is ready. */
  #readiness(): string[] {
    if (this.#stopping !== undefined) return ["stopping"];
    if (this.#addresses === undefined) return ["starting"];
    const { brokers } = this.#parts;
    return [...brokers.down.map((name) => `broker ${name} is not connected`), ...this.#storeReasons()];
  }

  #storeReasons(): string[] {
    const { store, vhostRuntime } = this.#parts;
    if (!vhostRuntime.vhosts.loaded) return ["the store has not been read"];
    return store.up ? [] : ["the store is unavailable"];
  }

  /** Reports the readiness to the health service. Logs it the first time. */
  #showReadiness(): void {
    const ready = this.#readiness().length === 0;
    this.#parts.listeners.grpc.setServing(ready);
    this.#siblings?.report({
      reasons: this.#readiness(),
      addresses: this.#addresses,
      requiresKeys: this.requiresKeys,
    });
    if (!ready || this.#announcedReady) return;
    this.#announcedReady = true;
    if (this.#siblings === undefined) this.#log.info({ ...this.#addresses }, "ready");
  }

  /** Warns once, when the keys and vhosts of the store are known. */
  #warnOpenAccess(): void {
    const { keyring, vhosts } = this.#parts.vhostRuntime;
    if (this.#warnedOpenAccess || !vhosts.loaded) return;
    this.#warnedOpenAccess = true;
    warnOpenAccess(this.#config, { vhosts, keyring, log: this.#log });
  }
}

/**
 * Listens on every address of the configuration.
 * @throws CarillonError failed_precondition: an address cannot be used
 */
async function listenAll(config: Config, ports: Listeners): Promise<Addresses> {
  const scheme = ports.certificates === undefined ? "http" : "https";
  const grpc = await listenAt("grpc", config.grpc.listen, ports.grpc);
  const http = await listenAt("http", config.http, ports.http);
  const admin = await listenAt("admin.listen", config.admin.listen, ports.admin);
  const node: NodeAddresses = { http: `${scheme}://${http}`, grpc: grpc ?? "", admin: admin && `${scheme}://${admin}` };
  const all: object = { ...node };
  for (const { ports: own } of ports.dialects) Object.assign(all, await own?.listen());
  return all as Addresses;
}
