import type { Cluster } from "../cluster/cluster.js";
import type { ReplicaEvents } from "../cluster/replica.js";
import type { PageAnswer } from "../cluster/replica-messages.js";
import { Replicas } from "../cluster/replicas.js";
import type { Clock } from "../core/ports.js";
import { ignore } from "../util/ignore.js";
import type { ConnectionInfo } from "./connection-info.js";
import { type ConnectionChanges, RENEWAL, WATCH_COUNT, WATCH_END, WATCH_PAGE } from "./watch-messages.js";

export interface WatchMirrorOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly vhost: string;
}

/** Receives opened and closed connections, the latter with the close code. */
export type WatchMirrorEvents = ReplicaEvents<ConnectionInfo, number>;

/** Close code of a connection that ended without a close frame. Source: RFC 6455 §7.4.1. */
const ABNORMAL = 1_006;

/** Mirrors a vhost's connections on all nodes, including this one, while a backend watches them through this node. */
export class WatchMirror {
  readonly #options: WatchMirrorOptions;
  readonly #replicas: Replicas<ConnectionInfo, number>;
  readonly #listeners = new Set<WatchMirrorEvents>();
  #cancelRenewal: (() => void) | undefined;
  #ended = false;
  /** Resolves when the connections of all nodes that answered have been read. @throws errors of `Cluster.ask` */
  readonly ready: Promise<void>;

  constructor(options: WatchMirrorOptions) {
    const { cluster, vhost } = options;
    this.#options = options;
    this.#replicas = new Replicas<ConnectionInfo, number>({
      nodes: () => cluster.nodes,
      ask: (cursors) => cluster.ask(WATCH_PAGE, { vhost, cursors }),
      pageOf: (answer) => answer as unknown as PageAnswer<ConnectionInfo>,
      events: {
        onAdded: (connection) => {
          for (const listener of this.#listeners) listener.onAdded(connection);
        },
        onRemoved: (connection, code) => {
          for (const listener of this.#listeners) listener.onRemoved(connection, code);
        },
      },
      lost: ABNORMAL,
    });
    this.ready = this.#replicas.read();
    this.ready.catch(ignore);
    this.#scheduleRenewal();
  }

  connections(): Iterable<ConnectionInfo> {
    return this.#replicas.items();
  }

  /** Adds a listener. @returns a function that removes it */
  listen(events: WatchMirrorEvents): () => void {
    this.#listeners.add(events);
    return () => this.#listeners.delete(events);
  }

  takeChanges(node: string, changes: ConnectionChanges): void {
    this.#replicas.takeChanges(node, changes);
  }

  onNode(node: string, alive: boolean): void {
    this.#replicas.onNode(node, alive);
  }

  /** Ends the mirror, and its leases on all nodes. */
  end(): void {
    this.#ended = true;
    this.#cancelRenewal?.();
    this.#replicas.end();
    this.#options.cluster.tell(WATCH_END, { vhost: this.#options.vhost });
  }

  #scheduleRenewal(): void {
    this.#cancelRenewal = this.#options.clock.after(RENEWAL, () => {
      this.#renew().catch(ignore);
    });
  }

  /** Renews the leases, and compares counts to detect lost changes that no later change reveals. */
  async #renew(): Promise<void> {
    const { cluster, vhost } = this.#options;
    try {
      const { answers } = await cluster.ask(WATCH_COUNT, { vhost });
      if (this.#ended) return;
      for (const [node, count] of answers) this.#replicas.checkCount(node, count as number);
    } finally {
      if (!this.#ended) this.#scheduleRenewal();
    }
  }
}
