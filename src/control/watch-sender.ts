import { runInTurns } from "../access/patterns/match-ahead.js";
import type { Client } from "../clients/client.js";
import type { Clients } from "../clients/clients.js";
import { ChangeLog } from "../cluster/change-log.js";
import type { Cluster } from "../cluster/cluster.js";
import { PAGE_SIZE, type PageAnswer, type ReplicaChange } from "../cluster/replica-messages.js";
import type { Clock, EndOfTurn } from "../core/ports.js";
import { type ConnectionInfo, toConnectionInfo } from "./connection-info.js";
import { pageInSteps } from "./pagination.js";
import {
  LEASE,
  type VhostMessage,
  WATCH_CHANGES,
  WATCH_COUNT,
  WATCH_END,
  WATCH_PAGE,
  type WatchPageRequest,
} from "./watch-messages.js";

export interface WatchSenderOptions {
  readonly cluster: Cluster;
  readonly clients: Clients;
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
}

type Log = ChangeLog<ConnectionInfo, number>;

/** Sends this node's opened and closed connections to the nodes that watch their vhost. */
export class WatchSender {
  readonly #options: WatchSenderOptions;
  /** End of each lease, by vhost and watching node, on the monotonic clock, in milliseconds. */
  readonly #leases = new Map<string, Map<string, number>>();
  /** Change logs by vhost. They count all changes, even while no node watches the vhost. */
  readonly #logs = new Map<string, Log>();
  readonly #unlisten: () => void;

  constructor(options: WatchSenderOptions) {
    this.#options = options;
    const { clients, cluster } = options;
    this.#unlisten = clients.listen({
      onOpened: (client) => {
        this.#record(client, () => ({ added: toConnectionInfo(client, cluster.node) }));
      },
      onClosed: (client, code) => {
        this.#record(client, () => ({ removed: client.session.id, why: code }));
      },
    });
    cluster.handle(WATCH_PAGE, (body, from) => this.#page(body as unknown as WatchPageRequest, from));
    cluster.handle(WATCH_COUNT, (body, from) => this.#count((body as VhostMessage).vhost, from));
    cluster.handle(WATCH_END, (body, from) => {
      this.#end((body as VhostMessage).vhost, from);
      return null;
    });
    cluster.onNodes(({ alive, node }) => {
      if (alive) return;
      for (const vhost of this.#leases.keys()) this.#end(vhost, node);
    });
  }

  stop(): void {
    this.#unlisten();
    this.#leases.clear();
  }

  /** Returns whether a node watches the vhost. */
  #isWatched(vhost: string): boolean {
    const leases = this.#leases.get(vhost);
    if (leases === undefined) return false;
    const now = this.#options.clock.monotonic();
    for (const [node, until] of leases) if (until <= now) leases.delete(node);
    if (leases.size === 0) this.#leases.delete(vhost);
    return leases.size > 0;
  }

  #record({ vhost: { name: vhost } }: Client, changeOf: () => ReplicaChange<ConnectionInfo, number>): void {
    this.#findLog(vhost).note(changeOf);
  }

  #findLog(vhost: string): Log {
    let log = this.#logs.get(vhost);
    if (log === undefined) {
      log = new ChangeLog<ConnectionInfo, number>({
        endOfTurn: this.#options.endOfTurn,
        hasReceivers: () => this.#isWatched(vhost),
        send: (changes) => {
          this.#options.cluster.tell(WATCH_CHANGES, { vhost, ...changes });
        },
      });
      this.#logs.set(vhost, log);
    }
    return log;
  }

  /**
   * Returns a page. Building it may take several turns. Connections opened and closed meanwhile are also sent as changes.
   */
  async #page({ cursors, vhost }: WatchPageRequest, from: string): Promise<PageAnswer<ConnectionInfo> | null> {
    const { clients, cluster } = this.#options;
    const count = this.#count(vhost, from);
    const cursor = cursors[cluster.node] ?? "";
    if (cursors[cluster.node] === null) return null;
    const source = {
      keyOf: ({ session }: Client) => session.id,
      itemOf: (client: Client) => toConnectionInfo(client, cluster.node),
    };
    const query = { after: String(cursor), size: PAGE_SIZE };
    return { count, ...(await runInTurns(vhost, pageInSteps(clients.all(vhost), source, query))) };
  }

  /** Renews the lease of the requesting node, and returns the count of changes. Later changes are sent to the node. */
  #count(vhost: string, from: string): number {
    const log = this.#findLog(vhost);
    log.flush();
    const leases = this.#leases.get(vhost) ?? new Map<string, number>();
    this.#leases.set(vhost, leases);
    leases.set(from, this.#options.clock.monotonic() + LEASE);
    return log.count;
  }

  #end(vhost: string, node: string): void {
    const leases = this.#leases.get(vhost);
    leases?.delete(node);
    if (leases?.size === 0) this.#leases.delete(vhost);
  }
}
