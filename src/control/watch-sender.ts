import type { Client } from "../clients/client.js";
import type { Clients } from "../clients/clients.js";
import type { Cluster } from "../cluster/cluster.js";
import type { Clock, EndOfTurn } from "../core/ports.js";
import { factsOf, idOf } from "./facts.js";
import { nodePage } from "./pages.js";
import {
  type Change,
  LEASE,
  PAGE_SIZE,
  type PageAnswer,
  type PageAsked,
  type VhostAsked,
  WATCH_CHANGES,
  WATCH_COUNT,
  WATCH_END,
  WATCH_PAGE,
} from "./watch-words.js";

export interface WatchSenderOptions {
  readonly cluster: Cluster;
  readonly clients: Clients;
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
}

/** Most changes that are told at once. */
const BATCH = 200;

/** Tells the nodes that watch a vhost which of this node's connections come and go; nothing while nobody watches. */
export class WatchSender {
  readonly #options: WatchSenderOptions;
  /** By vhost, then by the node that watches: until when, in milliseconds since the epoch. */
  readonly #leases = new Map<string, Map<string, number>>();
  /** Changes so far, by vhost. */
  readonly #counts = new Map<string, number>();
  /** What is told at the end of this turn, by vhost; `first` is the count of the first. */
  readonly #waiting = new Map<string, { readonly first: number; readonly changes: Change[] }>();
  readonly #unlisten: () => void;

  constructor(options: WatchSenderOptions) {
    this.#options = options;
    const { clients, cluster } = options;
    this.#unlisten = clients.listen({
      onOpened: (client) => {
        this.#note(client, (id) => ({ id, opened: factsOf(client, cluster.node) }));
      },
      onClosed: (client, code) => {
        this.#note(client, (id) => ({ id, closed: code }));
      },
    });
    cluster.handle(WATCH_PAGE, (body, from) => this.#page(body as unknown as PageAsked, from));
    cluster.handle(WATCH_COUNT, (body, from) => this.#count((body as VhostAsked).vhost, from));
    cluster.handle(WATCH_END, (body, from) => {
      this.#end((body as VhostAsked).vhost, from);
      return null;
    });
    cluster.onNodes(({ here, node }) => {
      if (here) return;
      for (const vhost of this.#leases.keys()) this.#end(vhost, node);
    });
  }

  stop(): void {
    this.#unlisten();
    this.#leases.clear();
    this.#waiting.clear();
  }

  /** Whether anybody watches the vhost. */
  #watched(vhost: string): boolean {
    const leases = this.#leases.get(vhost);
    if (leases === undefined) return false;
    const now = this.#options.clock.now();
    for (const [node, until] of leases) if (until <= now) leases.delete(node);
    if (leases.size === 0) this.#leases.delete(vhost);
    return leases.size > 0;
  }

  #note({ session, vhost: { name: vhost } }: Client, changeOf: (id: string) => Change): void {
    const count = this.#countOf(vhost) + 1;
    this.#counts.set(vhost, count);
    if (!this.#watched(vhost)) return;
    const waiting = this.#waiting.get(vhost);
    if (waiting !== undefined) {
      waiting.changes.push(changeOf(session.id));
      return;
    }
    this.#waiting.set(vhost, { first: count, changes: [changeOf(session.id)] });
    this.#options.endOfTurn(() => {
      this.#flush(vhost);
    });
  }

  #flush(vhost: string): void {
    const waiting = this.#waiting.get(vhost);
    if (waiting === undefined) return;
    this.#waiting.delete(vhost);
    const { changes, first } = waiting;
    for (let offset = 0; offset < changes.length; offset += BATCH) {
      const batch = changes.slice(offset, offset + BATCH);
      this.#options.cluster.tell(WATCH_CHANGES, { vhost, first: first + offset, changes: batch });
    }
  }

  #page({ cursors, vhost }: PageAsked, from: string): PageAnswer | null {
    const count = this.#count(vhost, from);
    const after = cursors[this.#options.cluster.node] ?? "";
    if (cursors[this.#options.cluster.node] === null) return null;
    return { count, ...nodePage(this.#factsOf(vhost), idOf, { after, size: PAGE_SIZE }) };
  }

  *#factsOf(vhost: string) {
    const { clients, cluster } = this.#options;
    for (const client of clients.all(vhost)) yield factsOf(client, cluster.node);
  }

  /** The asking node goes on hearing changes; what it is told from now on comes after those that this count has. */
  #count(vhost: string, from: string): number {
    this.#flush(vhost);
    const leases = this.#leases.get(vhost) ?? new Map<string, number>();
    this.#leases.set(vhost, leases);
    leases.set(from, this.#options.clock.now() + LEASE);
    return this.#countOf(vhost);
  }

  #end(vhost: string, node: string): void {
    const leases = this.#leases.get(vhost);
    leases?.delete(node);
    if (leases?.size === 0) this.#leases.delete(vhost);
  }

  #countOf(vhost: string): number {
    return this.#counts.get(vhost) ?? 0;
  }
}
