import type { Json } from "../access/decide/principal.js";
import { ignore } from "../util/ignore.js";
import type { Answers } from "./cluster.js";
import { Replica } from "./replica.js";
import type { Cursors, Identified, PageAnswer, ReplicaChanges } from "./replica-messages.js";

/** Called for what changes in the copies, with the node whose item it is. */
export interface ReplicasEvents<Item extends Identified, Why> {
  onAdded(item: Item, node: string): void;
  onRemoved(item: Item, why: Why, node: string): void;
}

export interface ReplicasOptions<Item extends Identified, Why> {
  /** Nodes that are there now. */
  readonly nodes: () => Iterable<string>;
  /** Asks them for pages. A node that has nothing to say answers null. @throws CarillonError of Cluster.ask */
  readonly ask: (cursors: Cursors) => Promise<Answers>;
  /** Makes items of an answer that is not null. */
  readonly pageOf: (answer: Json) => PageAnswer<Item>;
  readonly events: ReplicasEvents<Item, Why>;
  /** Why items go whose node is lost, or of whose end no word has come. */
  readonly lost: Why;
}

/** Copies of what other nodes have: one for each node, read when it comes and whenever a word of it was lost. */
export class Replicas<Item extends Identified, Why> {
  readonly #options: ReplicasOptions<Item, Why>;
  readonly #replicas = new Map<string, Replica<Item, Why>>();
  #reading: Promise<void> | undefined;
  #ended = false;

  constructor(options: ReplicasOptions<Item, Why>) {
    this.#options = options;
  }

  *items(): Generator<Item> {
    for (const replica of this.#replicas.values()) yield* replica.items;
  }

  takeChanges(node: string, changes: ReplicaChanges<Item, Why>): void {
    this.#of(node).takeChanges(changes);
    this.#readIfStale(node);
  }

  /** A node says how far it is. */
  checkCount(node: string, count: number): void {
    this.#of(node).checkCount(count);
    this.#readIfStale(node);
  }

  onNode(node: string, here: boolean): void {
    if (here) {
      this.#of(node);
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
   * Reads what must be read; whoever comes while that is done waits, and what came up meanwhile is done too. Resolves also
   * when a node did not answer: that one is read when the next word of it comes.
   * @throws CarillonError of Cluster.ask
   */
  read(): Promise<void> {
    this.#reading ??= this.#readStale().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  /** Resolves when the reading that is under way, if any, has ended. @throws CarillonError of Cluster.ask */
  async settled(): Promise<void> {
    await this.#reading;
  }

  #of(node: string): Replica<Item, Why> {
    let replica = this.#replicas.get(node);
    if (replica === undefined) {
      const { events, lost } = this.#options;
      const onAdded = (item: Item): void => events.onAdded(item, node);
      const onRemoved = (item: Item, why: Why): void => events.onRemoved(item, why, node);
      replica = new Replica<Item, Why>({ onAdded, onRemoved }, lost);
      this.#replicas.set(node, replica);
    }
    return replica;
  }

  #readIfStale(node: string): void {
    if (this.#ended || this.#replicas.get(node)?.stale !== true) return;
    // What cannot be read now is read when the next word comes.
    this.read().catch(ignore);
  }

  async #readStale(): Promise<void> {
    for (const node of this.#options.nodes()) this.#of(node);
    try {
      for (let first = true; !this.#ended && (first || this.#anyStale()); first = false) {
        for (const replica of this.#replicas.values()) if (replica.stale) replica.read();
        if (!(await this.#readPages())) return;
      }
    } finally {
      // What is still being read has failed.
      for (const replica of this.#replicas.values()) if (replica.cursor !== null) replica.distrust();
    }
  }

  #anyStale(): boolean {
    return [...this.#replicas.values()].some(({ stale }) => stale);
  }

  /** @returns false when a node did not answer: there is no use in asking again at once */
  async #readPages(): Promise<boolean> {
    let complete = true;
    for (;;) {
      const asked = new Map(this.#replicas);
      const cursors = [...asked].map(([node, { cursor }]) => [node, cursor] as const);
      if (cursors.every(([, cursor]) => cursor === null)) return complete;
      // Undefined is left out: the node begins.
      const named = cursors.flatMap(([node, cursor]) => (cursor === undefined ? [] : [[node, cursor] as const]));
      const { answers, missing } = await this.#options.ask(Object.fromEntries(named));
      if (this.#ended) return false;
      for (const [node, answer] of answers) {
        if (answer !== null) this.#takePage(node, asked.get(node), this.#options.pageOf(answer));
      }
      for (const [node, replica] of asked) {
        if (replica.cursor === null || answers.has(node)) continue;
        replica.distrust();
        complete = false;
      }
      complete &&= missing.length === 0;
    }
  }

  /** @param asked - the copy that was meant; undefined where the node has come since, and answers with its beginning */
  #takePage(node: string, asked: Replica<Item, Why> | undefined, answer: PageAnswer<Item>): void {
    const replica = this.#replicas.get(node);
    // It may have gone; and where it has come again, the new copy is not being read yet, and takes nothing.
    if (replica === undefined) return;
    if (asked === undefined) replica.read();
    replica.takePage(answer);
  }
}
