import type { VhostAdmin } from "../vhosts/vhost-admin.js";
import { AccessExplanations, type AccessExplanationsOptions } from "./access-explanations.js";
import { Connections, type ConnectionsOptions } from "./connections.js";
import { KeyOperations } from "./keys.js";
import { MetricsWatches, type MetricsWatchesOptions } from "./metrics-watches.js";
import { Rebalancing, type RebalancingOptions } from "./rebalancing.js";
import { Subscriptions, type SubscriptionsOptions } from "./subscriptions.js";
import { Topics, type TopicsOptions } from "./topics.js";
import { ChannelOperations, VhostOperations } from "./vhosts.js";
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
  }

  /** Ends all watches with `unavailable`, and closes no more clients. */
  stop(): void {
    this.rebalancing.stop();
    this.watches.stop();
    this.metrics.stop();
  }
}
