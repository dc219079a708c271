import type { Backend } from "../access/keys/backend.js";
import { pause } from "../clients/close-paced.js";
import type { Cluster } from "../cluster/cluster.js";
import type { Clock } from "../core/ports.js";
import { CarillonError, invalidArgument } from "../errors.js";
import { type NodeMetrics, type NodeReading, toRates } from "./node-readings.js";
import { checkManager } from "./vhosts.js";

export interface MetricsWatchesOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  /** Reads this node's load and state. */
  readonly readNode: () => NodeReading;
}

/** Readings of all nodes that answered. */
export interface ClusterMetrics {
  /** In milliseconds since the epoch. */
  readonly time: number;
  /** The node that was asked. */
  readonly node: string;
  /** Ordered by id. */
  readonly nodes: readonly NodeMetrics[];
  readonly missingNodes: readonly string[];
}

const READ = "metrics.read";

/** Milliseconds. */
const DEFAULT_INTERVAL = 1_000;
const MIN_INTERVAL = 250;
const MAX_INTERVAL = 60_000;
/** Age up to which watches share a reading, in milliseconds: many watches cost a node little more than one. */
const SHARED_AGE = 100;
/** Maximum number of watches at a time on one node. */
const MAX_WATCHES = 256;

/** Watches the load and state of all nodes (rule C8). */
export class MetricsWatches {
  readonly #options: MetricsWatchesOptions;
  /** One for each watch. */
  readonly #ends = new Set<AbortController>();
  #last: NodeReading | undefined;
  #lastRead = Number.NEGATIVE_INFINITY;

  constructor(options: MetricsWatchesOptions) {
    this.#options = options;
    options.cluster.handle(READ, () => this.#readHere());
  }

  /**
   * Yields the readings of all nodes at once, and then at the interval. Ends by throwing the signal's reason.
   * @param interval - in milliseconds, 250 to 60,000; undefined for 1,000
   * @throws CarillonError invalid_argument; permission_denied: not a key of the default vhost with the action `vhosts`;
   * resource_exhausted: too many watches; unavailable: this node is stopping
   */
  async *watch(
    backend: Backend,
    interval: number = DEFAULT_INTERVAL,
    signal: AbortSignal,
  ): AsyncGenerator<ClusterMetrics> {
    checkManager(backend);
    if (interval < MIN_INTERVAL || interval > MAX_INTERVAL) {
      throw invalidArgument(`interval: expected 0.25 to 60 seconds, got ${interval / 1_000}`);
    }
    if (this.#ends.size >= MAX_WATCHES) {
      throw new CarillonError(
        "resource_exhausted",
        `this node has reached its limit of ${MAX_WATCHES} metrics watches`,
      );
    }
    const end = new AbortController();
    const onAbort = (): void => {
      end.abort(signal.reason);
    };
    this.#ends.add(end);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    try {
      yield* this.#watchUntil(interval, end.signal);
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#ends.delete(end);
    }
  }

  /** Ends all watches with `unavailable`. */
  stop(): void {
    for (const end of this.#ends) end.abort(new CarillonError("unavailable", "this node is stopping"));
  }

  async *#watchUntil(interval: number, ended: AbortSignal): AsyncGenerator<ClusterMetrics> {
    const { clock } = this.#options;
    let before: ReadonlyMap<string, NodeReading> = new Map();
    for (let due = clock.monotonic(); ; ) {
      const { readings, ...metrics } = await this.#readAll(before);
      ended.throwIfAborted();
      yield metrics;
      before = readings;
      // A reader that was late gets its next readings one interval later.
      due = Math.max(due + interval, clock.monotonic());
      await pause(clock, due - clock.monotonic(), ended);
      ended.throwIfAborted();
    }
  }

  async #readAll(before: ReadonlyMap<string, NodeReading>) {
    const { clock, cluster } = this.#options;
    const { answers, missing: missingNodes } = await cluster.ask(READ, null);
    const readings = new Map([...answers].map(([id, answer]) => [id, answer as unknown as NodeReading]));
    const nodes = [...readings].map(([id, reading]): NodeMetrics => {
      const last = before.get(id);
      return { ...reading, id, rates: last && toRates(last, reading) };
    });
    nodes.sort((one, other) => (one.id < other.id ? -1 : 1));
    return { time: clock.now(), node: cluster.node, nodes, missingNodes, readings };
  }

  #readHere(): NodeReading {
    const now = this.#options.clock.monotonic();
    if (this.#last === undefined || now - this.#lastRead >= SHARED_AGE) {
      this.#last = this.#options.readNode();
      this.#lastRead = now;
    }
    return this.#last;
  }
}
