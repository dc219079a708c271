/** So much at a time. Each task counts as its payload and {@link TASK_BYTES}. */
export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

/** What one vhost may have on one node. Beyond them tasks are refused with resource_exhausted. */
export interface DispatchLimits {
  /** Asked at this node and not ended. They are kept here until then, so that they can be given to another worker. */
  readonly asked: Amount;
  /** Waiting at this node for one of its workers. */
  readonly waiting: Amount;
}

export const DEFAULT_LIMITS: DispatchLimits = {
  asked: { count: 20_000, bytes: 64 << 20 },
  waiting: { count: 1_000, bytes: 16 << 20 },
};

/** Largest payload of a task, and of one part of an answer: a word between nodes is 32 MiB at most, with all else in it. */
export const MAX_PAYLOAD_BYTES = 16 << 20;

/** What a task takes besides its payload, in bytes: names, timers, the asker. */
export const TASK_BYTES = 1_024;

/** Unused bytes of its buffer that a kept payload may pin. */
const MAX_UNUSED_BYTES = 16 << 10;

/**
 * Copies a small payload that is a slice of a large buffer. Kept as it is, the slice would pin the whole buffer, which no
 * limit counts.
 */
export function detachBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength - bytes.length > MAX_UNUSED_BYTES ? Buffer.from(bytes) : bytes;
}

/** How often a task is given to a worker's node before the asker is told that it was in vain. */
export const MAX_ATTEMPTS = 3;

/** A worker's `events`, `capacity` and `name`. */
export const MAX_EVENTS = 100;
export const MAX_CAPACITY = 10_000;
export const MAX_NAME_LENGTH = 64;

/** Different patterns of a node's workers: every node knows those of all. */
export const MAX_WORKER_PATTERNS = 20_000;

/** And of one vhost: its workers do not take the room of others'. */
export const MAX_PATTERNS_OF_VHOST = 2_000;

/** Greatest weight of these patterns: matching the longest event with all of them takes 1.6 million steps, some 20 ms. */
export const MAX_WEIGHT_OF_VHOST = 6_000;

interface Used {
  count: number;
  bytes: number;
}

/** Counts what each vhost has. */
export class Budget {
  readonly #most: Amount;
  readonly #used = new Map<string, Used>();
  #count = 0;

  constructor(most: Amount) {
    this.#most = most;
  }

  /** Of all vhosts. */
  get count(): number {
    return this.#count;
  }

  /** @returns false when it would be too much */
  take(vhost: string, bytes: number): boolean {
    const used = this.#used.get(vhost) ?? { count: 0, bytes: 0 };
    if (used.count >= this.#most.count || used.bytes + bytes > this.#most.bytes) return false;
    used.count += 1;
    used.bytes += bytes;
    this.#used.set(vhost, used);
    this.#count += 1;
    return true;
  }

  /** What take has granted. */
  giveBack(vhost: string, bytes: number): void {
    const used = this.#used.get(vhost);
    if (used === undefined) return;
    this.#count -= 1;
    used.count -= 1;
    used.bytes -= bytes;
    if (used.count === 0) this.#used.delete(vhost);
  }
}

/** The longest time that a timer of Node's can wait, in milliseconds. */
export const LONGEST_TIMER = 2 ** 31 - 1;
