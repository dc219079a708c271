import type { Cluster } from "../../cluster/cluster.js";
import { type NumberedItem, OwnItems } from "../../cluster/own-items.js";
import type { Cursors, PageAnswer, ReplicaChanges } from "../../cluster/replica-messages.js";
import { Replicas } from "../../cluster/replicas.js";
import type { Clock, EndOfTurn } from "../../core/ports.js";
import { ignore } from "../../util/ignore.js";
import { type WorkerDirectory, type WorkerPattern, workerPatternKey } from "./directory.js";

/** Kind of the requests that carry changes of a node's patterns. */
const CHANGES = "work.changes";
/** Kind of the requests for a page of a node's patterns. */
const PAGE = "work.page";
/** Kind of the periodic messages with the count of a node's changes, which reveal lost messages. */
const COUNT = "work.count";

/** Interval of the counts, in milliseconds: the maximum time until a lost message is noticed. */
const COUNT_INTERVAL = 2_000;

/** A pattern of a node's workers. */
type Announcement = NumberedItem & { readonly place: WorkerPattern };

type AnnouncementChanges = ReplicaChanges<Announcement, null>;

export interface AnnouncementsOptions {
  readonly cluster: Cluster;
  /** Whether the cluster can have other nodes. */
  readonly shared: boolean;
  readonly directory: WorkerDirectory;
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
}

/** Replicates the directory of workers: each node announces the patterns of its own workers. */
export class Announcements {
  readonly #options: AnnouncementsOptions;
  readonly #own: OwnItems<Announcement, null>;
  /** This node's announcements by {@link workerPatternKey}. */
  readonly #announced = new Map<string, Announcement>();
  readonly #others: Replicas<Announcement, null>;
  /** Resolves when the nodes have answered all announcements sent until now. */
  #confirmed: Promise<void> = Promise.resolve();
  #cancelCount: (() => void) | undefined;

  constructor(options: AnnouncementsOptions) {
    const { cluster, directory, endOfTurn, shared } = options;
    this.#options = options;
    this.#own = new OwnItems({
      endOfTurn,
      hasReceivers: () => shared,
      send: (changes) => {
        if (changes.changes.some((change) => "added" in change)) this.#announce(changes);
        else cluster.tell(CHANGES, changes);
      },
    });
    this.#others = new Replicas({
      nodes: () => [...cluster.nodes].filter((node) => node !== cluster.node),
      ask: (cursors) => cluster.ask(PAGE, { cursors }),
      pageOf: (answer) => answer as unknown as PageAnswer<Announcement>,
      events: {
        onAdded: ({ place }, node) => {
          this.#addForeign(node, place);
        },
        onRemoved: ({ place }, _reason, node) => {
          directory.remove(node, place);
        },
      },
      lost: null,
    });
    this.#listen(cluster);
  }

  /** Resolves when this node knows the patterns of all other nodes that answer. */
  async start(): Promise<void> {
    if (!this.#options.shared) return;
    this.#scheduleCount();
    await this.#others.read().catch(ignore);
  }

  stop(): void {
    this.#cancelCount?.();
    this.#own.flush();
    this.#others.end();
  }

  /**
   * Announces patterns. Resolves when all nodes that answer know them. The others notice the loss at the next count.
   * @throws CarillonError invalid_argument for an invalid pattern
   */
  async add(workerPatterns: readonly WorkerPattern[]): Promise<void> {
    const { cluster, directory } = this.#options;
    for (const workerPattern of workerPatterns) directory.add(cluster.node, workerPattern);
    for (const workerPattern of workerPatterns)
      this.#announced.set(
        workerPatternKey(workerPattern),
        this.#own.add((id) => ({ id, place: workerPattern })),
      );
    this.#own.flush();
    await this.#confirmed;
  }

  remove(workerPatterns: readonly WorkerPattern[]): void {
    const { cluster, directory } = this.#options;
    for (const workerPattern of workerPatterns) {
      directory.remove(cluster.node, workerPattern);
      const announcement = this.#announced.get(workerPatternKey(workerPattern));
      if (announcement === undefined) continue;
      this.#announced.delete(workerPatternKey(workerPattern));
      this.#own.remove(announcement, null);
    }
  }

  #announce(changes: AnnouncementChanges): void {
    // A node of another version may not know the message. Its error must not delay the announcement to the others.
    const answered = this.#options.cluster.ask(CHANGES, changes).catch(ignore);
    this.#confirmed = Promise.all([this.#confirmed, answered]).then(ignore);
  }

  #listen(cluster: Cluster): void {
    cluster.handle(CHANGES, async (body, from) => {
      if (from === cluster.node) return null;
      this.#others.takeChanges(from, body as unknown as AnnouncementChanges);
      // The answer confirms that this node knows the patterns, so a read in progress must end first.
      await this.#others.settled().catch(ignore);
      return null;
    });
    cluster.handle(PAGE, (body, from) => {
      const { cursors } = body as unknown as { readonly cursors: Cursors };
      const cursor = cursors[cluster.node];
      return from === cluster.node || cursor === null ? null : this.#own.page(Number(cursor ?? 0));
    });
    cluster.handle(COUNT, (body, from) => {
      if (from !== cluster.node) this.#others.checkCount(from, body as number);
      return null;
    });
    cluster.onNodes(({ alive, node }) => {
      this.#others.onNode(node, alive);
    });
  }

  /** Adds a pattern of another node. Ignores an invalid one, which a node of another version may send. */
  #addForeign(node: string, workerPattern: WorkerPattern): void {
    try {
      this.#options.directory.add(node, workerPattern);
    } catch {
      // This node offers no tasks to the pattern; other nodes may.
    }
  }

  #scheduleCount(): void {
    const { clock, cluster } = this.#options;
    this.#cancelCount = clock.after(COUNT_INTERVAL, () => {
      this.#scheduleCount();
      if (this.#own.count > 0) cluster.tell(COUNT, this.#own.count);
    });
  }
}
