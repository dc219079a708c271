import type { Backend } from "../access/keys/backend.js";
import type { VhostAdmin } from "../vhosts/vhost-admin.js";
import { AccessExplanations, type AccessExplanationsOptions } from "./access-explanations.js";
import { Connections, type ConnectionsOptions } from "./connections.js";
import { KeyOperations } from "./keys.js";
import { MetricsWatches, type MetricsWatchesOptions } from "./metrics-watches.js";
import { Rebalancing, type RebalancingOptions } from "./rebalancing.js";
import { Subscriptions, type SubscriptionsOptions } from "./subscriptions.js";
import { Topics, type TopicsOptions } from "./topics.js";
import { ChannelOperations, checkManager, VhostOperations } from "./vhosts.js";
import { Watches, type WatchesOptions } from "./watches.js";

export interface ControlOptions
  extends AccessExplanationsOptions,
    ConnectionsOptions,
    MetricsWatchesOptions,
    RebalancingOptions,
    SubscriptionsOptions,
    TopicsOptions,
    WatchesOptions {
  readonly admin: VhostAdmin;
  /** Reads this node's configuration again. @throws CarillonError; nothing has changed */
  readonly reload: () => Promise<Reloaded>;
}

/** Paths of settings after a reload. */
export interface Reloaded {
  readonly changed: readonly string[];
  /** Settings whose new values need a restart. */
  readonly restart: readonly string[];
}

/**
 * Operations of backends and operators on vhosts and on their connections, topics, channels and keys, on all nodes. Must be
 * created before the cluster starts, because it also answers requests of other nodes.
 */
export class Control {
  readonly access: AccessExplanations;
  readonly connections: Connections;
  readonly subscriptions: Subscriptions;
  readonly topics: Topics;
  readonly watches: Watches;
  readonly metrics: MetricsWatches;
  readonly rebalancing: Rebalancing;
  readonly vhosts: VhostOperations;
  readonly channels: ChannelOperations;
  readonly keys: KeyOperations;
  readonly #reload: ControlOptions["reload"];

  constructor(options: ControlOptions) {
    this.access = new AccessExplanations(options);
    this.connections = new Connections(options);
    this.subscriptions = new Subscriptions(options);
    this.topics = new Topics(options);
    this.watches = new Watches(options);
    this.metrics = new MetricsWatches(options);
    this.rebalancing = new Rebalancing(options);
    this.vhosts = new VhostOperations(options.admin);
    this.channels = new ChannelOperations(options.admin);
    this.keys = new KeyOperations(options.admin);
    this.#reload = options.reload;
  }

  /**
   * Reads this node's configuration again.
   * @throws CarillonError permission_denied: not a key of the default vhost with the action `vhosts`; or an error of the
   * configuration, after which nothing has changed
   */
  async reload(backend: Backend): Promise<Reloaded> {
    checkManager(backend);
    return this.#reload();
  }

  /** Ends all watches with `unavailable`, and closes no more clients. */
  stop(): void {
    this.rebalancing.stop();
    this.watches.stop();
    this.metrics.stop();
  }
}
