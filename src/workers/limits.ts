/** Bounds on concurrent tasks. Each task counts as its payload plus {@link TASK_BYTES}. */
export interface TaskBounds {
  readonly count: number;
  readonly bytes: number;
}

/** Limits of one vhost on one node. Tasks beyond them are refused with resource_exhausted. */
export interface DispatchLimits {
  /** Tasks requested at this node that have not ended. They are kept for further attempts. */
  readonly requested: TaskBounds;
  /** Tasks that wait at this node for one of its workers. */
  readonly waiting: TaskBounds;
}

export const DEFAULT_LIMITS: DispatchLimits = {
  requested: { count: 20_000, bytes: 64 << 20 },
  waiting: { count: 1_000, bytes: 16 << 20 },
};

/** Largest payload of a task, or of one part of an answer. A message between nodes has at most 32 MiB in all. */
export const MAX_PAYLOAD_BYTES = 16 << 20;

/** Estimated memory of a task besides its payload, in bytes: names, timers, the caller. */
export const TASK_BYTES = 1_024;

/** Maximum number of unused buffer bytes that a retained payload may keep in memory. */
const MAX_UNUSED_BYTES = 16 << 10;

/**
 * Copies a small payload that is a slice of a large buffer. The slice would keep the whole buffer in memory, which no limit
 * counts.
 */
export function detachBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength - bytes.length > MAX_UNUSED_BYTES ? Buffer.from(bytes) : bytes;
}

/** Number of attempts after which a task fails. */
export const MAX_ATTEMPTS = 3;

/** Limits of a worker's `events`, `capacity` and `name`. */
export const MAX_EVENTS = 100;
export const MAX_CAPACITY = 10_000;
export const MAX_NAME_LENGTH = 64;

/** Maximum number of distinct patterns of a node's workers. Every node holds the patterns of all nodes. */
export const MAX_WORKER_PATTERNS = 20_000;

/** Maximum number of distinct patterns of one vhost's workers at a node: a tenth, so that no vhost uses them all. */
export const MAX_PATTERNS_OF_VHOST = 2_000;

/** Maximum total weight of these patterns. Matching the longest event against them takes 1.6 million steps, about 20 ms. */
export const MAX_WEIGHT_OF_VHOST = 6_000;

interface Used {
  count: number;
  bytes: number;
}

/** Counts the tasks and bytes of each vhost. */
export class TaskBudget {
  readonly #most: TaskBounds;
  readonly #used = new Map<string, Used>();
  #count = 0;

  constructor(most: TaskBounds) {
    this.#most = most;
  }

  /** Number of tasks of all vhosts. */
  get count(): number {
    return this.#count;
  }

  /** Counts a task. @returns false when a limit would be exceeded */
  take(vhost: string, bytes: number): boolean {
    const used = this.#used.get(vhost) ?? { count: 0, bytes: 0 };
    if (used.count >= this.#most.count || used.bytes + bytes > this.#most.bytes) return false;
    used.count += 1;
    used.bytes += bytes;
    this.#used.set(vhost, used);
    this.#count += 1;
    return true;
  }

  /** Undoes one `take`. */
  giveBack(vhost: string, bytes: number): void {
    const used = this.#used.get(vhost);
    if (used === undefined) return;
    this.#count -= 1;
    used.count -= 1;
    used.bytes -= bytes;
    if (used.count === 0) this.#used.delete(vhost);
  }
}

/** Longest delay of a timer of Node.js, in milliseconds. */
export const MAX_TIMER = 2 ** 31 - 1;
