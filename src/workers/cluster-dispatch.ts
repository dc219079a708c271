import type { Bus } from "../cluster/bus.js";
import type { Cluster } from "../cluster/cluster.js";
import type { Clock, EndOfTurn } from "../core/ports.js";
import { TaskCaller } from "./caller/task-caller.js";
import { Announcements } from "./directory/announcements.js";
import { WorkerDirectory } from "./directory/directory.js";
import { WorkerListing } from "./directory/listing.js";
import type {
  Caller,
  CallHandle,
  Dispatch,
  TaskRequest,
  WorkerConnection,
  WorkerHello,
  WorkerList,
  WorkerRegistration,
} from "./dispatch.js";
import { TaskExecutor } from "./executor/task-executor.js";
import { WorkerGroups } from "./executor/worker-groups.js";
import type { DispatchLimits } from "./limits.js";
import type { TaskMessage } from "./wire/task-messages.js";
import { TaskTransport } from "./wire/task-transport.js";

/** In which a worker must have acknowledged or ended a task, in milliseconds. */
export const ACKNOWLEDGE_WITHIN = 10_000;

export interface ClusterDispatchOptions {
  readonly cluster: Cluster;
  /** Of the cluster. Both are started before this and stopped after it. */
  readonly bus: Bus;
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
  readonly limits: DispatchLimits;
  /** In milliseconds; within a quarter of a second or two. */
  readonly acknowledgeWithin: number;
  /** Told of faults of askers and workers' connections, and of rubbish on the bus. */
  readonly onError: (message: string) => void;
}

/**
 * Gives tasks to workers on all nodes of the cluster; on a node alone without any bus.
 *
 * The asking node owns a task until it has ended: asking.ts. A node with workers holds it for so long as one of them has
 * it, or it waits for one: working.ts. Between them go words (words.ts), any of which may be lost. So whoever offers waits a
 * second at most, whoever has heard nothing of a task asks after it, parts are counted, and whatever is held ends with its
 * deadline: at the worst a worker gets a task a second time, or an asker is told that it was in vain.
 */
export class ClusterDispatch implements Dispatch {
  readonly #post: TaskTransport;
  readonly #announcements: Announcements;
  readonly #asking: TaskCaller;
  readonly #working: TaskExecutor;
  readonly #listing: WorkerListing;

  constructor(options: ClusterDispatchOptions) {
    const { acknowledgeWithin, bus, clock, cluster, endOfTurn, limits, onError } = options;
    const { node } = cluster;
    const directory = new WorkerDirectory();
    this.#announcements = new Announcements({ cluster, shared: bus.shared, directory, clock });
    const post = new TaskTransport(
      { cluster, bus, clock, endOfTurn, onError },
      {
        onWord: (from, word) => {
          this.#onWord(from, word);
        },
        onUnheard: (task, offer) => {
          this.#asking.onUnheard(task, offer);
        },
        onUnreachable: (name) => {
          this.#asking.onUnreachable(name);
        },
      },
    );
    this.#post = post;
    const groups = new WorkerGroups(post, this.#announcements);
    const { asked, waiting } = limits;
    this.#working = new TaskExecutor({ node, post, groups, clock, endOfTurn, waiting, acknowledgeWithin, onError });
    this.#listing = new WorkerListing(cluster, this.#working);
    const isFree = this.#working.isFree.bind(this.#working);
    this.#asking = new TaskCaller({ node, post, directory, clock, asked, isFree, onError });
    // After the directory has heard of it.
    cluster.onNodes(({ here, node: other }) => {
      if (here) return;
      this.#working.onNodeLost(other);
      this.#asking.onNodeLost(other);
    });
  }

  /** Tasks asked at this node that have not ended. */
  get asked(): number {
    return this.#asking.asked;
  }

  /** Tasks of all nodes that wait for this node's workers. */
  get waiting(): number {
    return this.#working.waiting;
  }

  /** Tasks of all nodes that this node's workers have. */
  get working(): number {
    return this.#working.working;
  }

  /** Workers of this node. */
  get workers(): number {
    return this.#working.workers;
  }

  /** Resolves when the workers of the nodes that answer are known. */
  async start(): Promise<void> {
    this.#post.start();
    await this.#announcements.start();
  }

  /**
   * What is asked here from now on is refused, and this node's workers get no more tasks. Resolves when what was asked, and
   * what they have, has ended.
   */
  async drain(): Promise<void> {
    await Promise.all([this.#asking.drain(), this.#working.drain()]);
  }

  /** What was asked here is refused, and what this node's workers had goes to others. */
  stop(): void {
    this.#asking.stop();
    this.#working.stop();
    this.#announcements.stop();
    this.#post.stop();
  }

  ask(request: TaskRequest, asker: Caller): CallHandle {
    return this.#asking.ask(request, asker);
  }

  enter(hello: WorkerHello, connection: WorkerConnection): Promise<WorkerRegistration> {
    return this.#working.enter(hello, connection);
  }

  list(vhost: string): Promise<WorkerList> {
    return this.#listing.list(vhost);
  }

  #onWord(from: string, word: TaskMessage): void {
    switch (word.type) {
      case "offer":
        this.#working.takeOffer(from, word);
        break;
      case "cancel":
        this.#working.cancel(from, word.task, word.offer);
        break;
      case "check":
        this.#working.check(from, word);
        break;
      case "taken":
        this.#asking.onTaken(from, word);
        break;
      case "refused":
        this.#asking.onRefused(from, word);
        break;
      case "part":
        this.#asking.onPart(from, word);
        break;
      case "failed":
        this.#asking.onFailed(from, word);
        break;
      case "lost":
        this.#asking.onLost(from, word);
        break;
      case "have":
        this.#asking.onHave(from, word);
    }
  }
}
