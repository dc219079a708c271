import type { Json } from "../access/decide/principal.js";
import { ignore } from "../util/ignore.js";
import type { Answers } from "./cluster.js";
import { Replica } from "./replica.js";
import type { Cursors, Identified, PageAnswer, ReplicaChanges } from "./replica-messages.js";

/** Receives the changes of all replicas, with the node that owns the item. */
export interface ReplicasEvents<Item extends Identified, Reason> {
  onAdded(item: Item, node: string): void;
  onRemoved(item: Item, why: Reason, node: string): void;
}

export interface ReplicasOptions<Item extends Identified, Reason> {
  /** Returns the live nodes. */
  readonly nodes: () => Iterable<string>;
  /**
   * Requests pages from all nodes. A node without a page answers null.
   * @throws CarillonError of Cluster.ask
   */
  readonly ask: (cursors: Cursors) => Promise<Answers>;
  /** Decodes an answer other than null. */
  readonly pageOf: (answer: Json) => PageAnswer<Item>;
  readonly events: ReplicasEvents<Item, Reason>;
  /** Reason reported for items of a lost node, and for items that are removed without a received change. */
  readonly lost: Reason;
}

/** Replicas of all nodes' items. Each is read when its node joins and after every lost message. */
export class Replicas<Item extends Identified, Reason> {
  readonly #options: ReplicasOptions<Item, Reason>;
  readonly #replicas = new Map<string, Replica<Item, Reason>>();
  #reading: Promise<void> | undefined;
  #ended = false;

  constructor(options: ReplicasOptions<Item, Reason>) {
    this.#options = options;
  }

  *items(): Generator<Item> {
    for (const replica of this.#replicas.values()) yield* replica.items;
  }

  takeChanges(node: string, changes: ReplicaChanges<Item, Reason>): void {
    this.#getReplica(node).takeChanges(changes);
    this.#readIfStale(node);
  }

  /** Compares a node's count with its replica's. */
  checkCount(node: string, count: number): void {
    this.#getReplica(node).checkCount(count);
    this.#readIfStale(node);
  }

  onNode(node: string, alive: boolean): void {
    if (alive) {
      this.#getReplica(node);
      this.#readIfStale(node);
      return;
    }
    const replica = this.#replicas.get(node);
    this.#replicas.delete(node);
    replica?.end();
  }

  end(): void {
    this.#ended = true;
    this.#replicas.clear();
  }

  /**
   * Reads all invalid replicas. Concurrent callers share one read, which includes replicas that become invalid meanwhile.
   * Resolves also when a node does not answer; that node is read after its next message.
   * @throws CarillonError of Cluster.ask
   */
  read(): Promise<void> {
    this.#reading ??= this.#readStale().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /**
   * Resolves when a read in progress, if any, has ended.
   * @throws CarillonError of Cluster.ask
   */
  async settled(): Promise<void> {
    await this.#reading;
  }

  #getReplica(node: string): Replica<Item, Reason> {
    let replica = this.#replicas.get(node);
    if (replica === undefined) {
      const { events, lost } = this.#options;
      const onAdded = (item: Item): void => events.onAdded(item, node);
      const onRemoved = (item: Item, why: Reason): void => events.onRemoved(item, why, node);
      replica = new Replica<Item, Reason>({ onAdded, onRemoved }, lost);
      this.#replicas.set(node, replica);
    }
    return replica;
  }

  #readIfStale(node: string): void {
    if (this.#ended || this.#replicas.get(node)?.stale !== true) return;
    // A failed read is repeated after the next message.
    this.read().catch(ignore);
  }

  async #readStale(): Promise<void> {
    for (const node of this.#options.nodes()) this.#getReplica(node);
    try {
      for (let first = true; !this.#ended && (first || this.#hasStale()); first = false) {
        for (const replica of this.#replicas.values()) if (replica.stale) replica.read();
        if (!(await this.#readPages())) return;
      }
    } finally {
      // Unfinished reads have failed.
      for (const replica of this.#replicas.values()) if (replica.cursor !== null) replica.invalidate();
    }
  }

  #hasStale(): boolean {
    return [...this.#replicas.values()].some(({ stale }) => stale);
  }

  /** @returns false when a node did not answer, so that an immediate retry is useless */
  async #readPages(): Promise<boolean> {
    let complete = true;
    for (;;) {
      const requested = new Map(this.#replicas);
      const cursors = [...requested].map(([node, { cursor }]) => [node, cursor] as const);
      if (cursors.every(([, cursor]) => cursor === null)) return complete;
      // A node without a cursor sends its first page.
      const named = cursors.flatMap(([node, cursor]) => (cursor === undefined ? [] : [[node, cursor] as const]));
      const { answers, missing } = await this.#options.ask(Object.fromEntries(named));
      if (this.#ended) return false;
      for (const [node, answer] of answers) {
        if (answer !== null) this.#takePage(node, requested.get(node), this.#options.pageOf(answer));
      }
      for (const [node, replica] of requested) {
        if (replica.cursor === null || answers.has(node)) continue;
        replica.invalidate();
        complete = false;
      }
      complete &&= missing.length === 0;
    }
  }

  /** @param requested - the replica for which the page was requested; undefined for a node that has joined since */
  #takePage(node: string, requested: Replica<Item, Reason> | undefined, answer: PageAnswer<Item>): void {
    const replica = this.#replicas.get(node);
    // The node may have left. If it has rejoined, the new replica is not being read and ignores the page.
    if (replica === undefined) return;
    if (requested === undefined) replica.read();
    replica.takePage(answer);
  }
}
