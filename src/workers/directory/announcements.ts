import type { Json } from "../../access/decide/principal.js";
import type { Cluster } from "../../cluster/cluster.js";
import type { Clock } from "../../core/ports.js";
import type { WorkerDirectory, WorkerPlace } from "./directory.js";

/** A node's workers have other patterns than before: `count` is the number of its changes so far. */
const CHANGE = "work.change";
/** Asked: all that a node's workers have. */
const LIST = "work.list";
/** Told from time to time: how many changes there were, so that a lost one is noticed. */
const COUNT = "work.count";

/** Time between two counts, in milliseconds: so long a node may not know of what it was not told. */
const BEAT = 2_000;

type Change = { readonly count: number; readonly add: readonly WorkerPlace[]; readonly remove: readonly WorkerPlace[] };
type List = { readonly count: number; readonly places: readonly WorkerPlace[] };

export interface AnnouncementsOptions {
  readonly cluster: Cluster;
  /** Whether there can be other nodes. */
  readonly shared: boolean;
  readonly directory: WorkerDirectory;
  readonly clock: Clock;
}

/** Keeps the directories of all nodes alike: each node speaks for its own workers. */
export class Announcements {
  readonly #options: AnnouncementsOptions;
  /** Of this node's own. */
  #count = 0;
  /** By node: the count of the last change that is in the directory. */
  readonly #counts = new Map<string, number>();
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #cancelBeat: (() => void) | undefined;
  #stopped = false;

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
    const { cluster, directory } = options;
    cluster.handle(CHANGE, (body, from) => {
      if (from !== cluster.node) this.#takeChange(from, body as unknown as Change);
      return null;
    });
    cluster.handle(LIST, () => {
      const list: List = { count: this.#count, places: directory.placesOf(cluster.node) };
      return list;
    });
    cluster.handle(COUNT, (body, from) => {
      if (from !== cluster.node && body !== (this.#counts.get(from) ?? 0)) void this.#read();
      return null;
    });
    cluster.onNodes(({ here, node }) => {
      if (here) {
        void this.#read();
        return;
      }
      this.#counts.delete(node);
      directory.forget(node);
    });
  }

  /** Resolves when this node knows what the others have that answer. */
  async start(): Promise<void> {
    if (!this.#options.shared) return;
    this.#beatLater();
    await this.#read();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelBeat?.();
  }

  /**
   * Resolves when all nodes that answer know it; the others hear of it by the next count.
   * @throws CarillonError invalid_argument for a pattern that cannot be read
   */
  async add(places: readonly WorkerPlace[]): Promise<void> {
    const { cluster, directory } = this.#options;
    for (const place of places) directory.add(cluster.node, place);
    // A node of another version may not know what is asked: that is no reason not to work for the others.
    await cluster.ask(CHANGE, this.#change({ add: places })).catch(ignore);
  }

  remove(places: readonly WorkerPlace[]): void {
    if (places.length === 0) return;
    const { cluster, directory } = this.#options;
    for (const place of places) directory.remove(cluster.node, place);
    cluster.tell(CHANGE, this.#change({ remove: places }));
  }

  #change({ add = [], remove = [] }: Partial<Change>): Json {
    this.#count += 1;
    const change: Change = { count: this.#count, add, remove };
    return change;
  }

  #takeChange(from: string, { add, count, remove }: Change): void {
    const known = this.#counts.get(from) ?? 0;
    if (count <= known) return;
    if (count > known + 1) {
      void this.#read();
      return;
    }
    this.#counts.set(from, count);
    for (const place of remove) this.#options.directory.remove(from, place);
    for (const place of add) this.#add(from, place);
  }

  /** Reads what all nodes have; whoever comes while that is done has it done once more. */
  #read(): Promise<void> {
    if (this.#reading === undefined) {
      this.#reading = this.#readAll().finally(() => {
        this.#reading = undefined;
      });
    } else {
      this.#readAgain = true;
    }
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    do {
      this.#readAgain = false;
      try {
        const { answers } = await this.#options.cluster.ask(LIST, null);
        for (const [node, list] of answers) this.#takeList(node, list as unknown as List);
      } catch {
        // The next count tells what is missing.
      }
    } while (this.#readAgain && !this.#stopped);
  }

  #takeList(node: string, { count, places }: List): void {
    const { cluster, directory } = this.#options;
    // A change that came after the answer was made has more.
    if (node === cluster.node || count < (this.#counts.get(node) ?? 0) || !cluster.nodes.has(node)) return;
    this.#counts.set(node, count);
    directory.forget(node);
    for (const place of places) this.#add(node, place);
  }

  /** A pattern of a node of another version may be none here. */
  #add(node: string, place: WorkerPlace): void {
    try {
      this.#options.directory.add(node, place);
    } catch {
      // Its tasks go to others.
    }
  }

  #beatLater(): void {
    const { clock, cluster } = this.#options;
    this.#cancelBeat = clock.after(BEAT, () => {
      this.#beatLater();
      if (this.#count > 0) cluster.tell(COUNT, this.#count);
    });
  }
}

function ignore(): void {}
