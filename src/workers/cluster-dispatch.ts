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
  TaskTracer,
  WorkerConnection,
  WorkerHello,
  WorkerList,
  WorkerRegistration,
} from "./dispatch.js";
import { TaskExecutor } from "./executor/task-executor.js";
import { WorkerGroups } from "./executor/worker-groups.js";
import type { DispatchLimits } from "./limits.js";
import { TaskTransport } from "./wire/task-transport.js";

/** Time within which a worker must acknowledge or end a task, in milliseconds. */
export const ACKNOWLEDGE_WITHIN = 10_000;

export interface ClusterDispatchOptions {
  readonly cluster: Cluster;
  /** The cluster's bus. Cluster and bus are started before the dispatch and stopped after it. */
  readonly bus: Bus;
  readonly clock: Clock;
  readonly endOfTurn: EndOfTurn;
  readonly limits: DispatchLimits;
  /** Undefined if traces are not recorded. */
  readonly tracer?: TaskTracer | undefined;
  /** Time within which a worker must acknowledge or end a task, in milliseconds; accurate to half a second. */
  readonly acknowledgeWithin: number;
  /** Called for exceptions of callers and of workers' connections, and for invalid messages on the bus. */
  readonly onError: (message: string) => void;
}

/**
 * Distributes tasks to workers on all nodes of the cluster.
 *
 * The calling node owns a task until it has ended (caller/). An executing node holds the task while one of its workers has
 * it, or while it waits for one (executor/). Messages between them (wire/) may be lost. Therefore an offer expires after a
 * second, the caller checks tasks without recent messages, parts are counted, and a held task ends with its deadline. In the
 * worst case a worker gets a task twice, or a call fails.
 */
export class ClusterDispatch implements Dispatch {
  readonly #transport: TaskTransport;
  readonly #announcements: Announcements;
  readonly #caller: TaskCaller;
  readonly #executor: TaskExecutor;
  readonly #listing: WorkerListing;

  constructor(options: ClusterDispatchOptions) {
    const { acknowledgeWithin, bus, clock, cluster, endOfTurn, limits, onError, tracer } = options;
    const { node } = cluster;
    const { requested, waiting } = limits;
    const directory = new WorkerDirectory();
    const announcements = new Announcements({ cluster, shared: bus.shared, directory, clock, endOfTurn });
    const transport = new TaskTransport({ cluster, bus, clock, endOfTurn, onError });
    const common = { node, transport, clock, endOfTurn, onError, tracer };
    const groups = new WorkerGroups(transport, announcements);
    const executor = new TaskExecutor({ ...common, groups, waiting, acknowledgeWithin });
    const caller = new TaskCaller({
      ...common,
      directory,
      requested,
      isFree: (vhost, pattern, needs) => executor.isFree(vhost, pattern, needs),
    });
    transport.connect(caller, executor);
    this.#announcements = announcements;
    this.#transport = transport;
    this.#executor = executor;
    this.#caller = caller;
    this.#listing = new WorkerListing(cluster, executor);
    // Registered after the directory's listener, so that the directory no longer lists a lost node when its tasks are retried.
    cluster.onNodes(({ alive, node: other }) => {
      if (alive) return;
      executor.onNodeLost(other);
      caller.onNodeLost(other);
    });
  }

  /** Number of tasks requested at this node that have not ended. */
  get requested(): number {
    return this.#caller.requested;
  }

  /** Number of tasks of all nodes that wait for this node's workers. */
  get waiting(): number {
    return this.#executor.waiting;
  }

  /** Number of tasks of all nodes that this node's workers have. */
  get working(): number {
    return this.#executor.working;
  }

  /** Number of workers connected to this node. */
  get workers(): number {
    return this.#executor.workers;
  }

  /** Resolves when the workers of the nodes that answer are known. */
  async start(): Promise<void> {
    this.#transport.start();
    await this.#announcements.start();
  }

  /** Refuses new tasks, and assigns none to this node's workers. Resolves when the tasks in progress have ended. */
  async drain(): Promise<void> {
    await Promise.all([this.#caller.drain(), this.#executor.drain()]);
  }

  /** Fails the calls of this node, and returns the tasks of its workers to their calling nodes. */
  stop(): void {
    this.#caller.stop();
    this.#executor.stop();
    this.#announcements.stop();
    this.#transport.stop();
  }

  startTask(request: TaskRequest, caller: Caller): CallHandle {
    return this.#caller.start(request, caller);
  }

  registerWorker(hello: WorkerHello, connection: WorkerConnection): Promise<WorkerRegistration> {
    return this.#executor.registerWorker(hello, connection);
  }

  list(vhost: string): Promise<WorkerList> {
    return this.#listing.list(vhost);
  }
}
