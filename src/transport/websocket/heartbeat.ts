import type { Clock } from "../../core/ports.js";

/** A connection whose life is watched (rule L5). */
export interface Pulse {
  /** Asks the peer for a sign of life. */
  ping(): void;
  /** Whether there has been one since the last ping; true before the first. */
  readonly alive: boolean;
  /** Called when there was none. */
  expire(): void;
}

/** The connections that are watched together. */
export type HeartbeatWatch = Pick<Set<Pulse>, "delete">;

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** Milliseconds between two pings of a connection. */
  readonly interval: number;
  /** Milliseconds that a peer may take to answer. Less than the interval; rounded up to 1/25 of it. */
  readonly timeout: number;
}

/**
 * Connections are dealt out in turn to so many slots of the interval, so that pings do not all leave at once, not even
 * where everybody came at once: after a restart.
 */
const SLOTS = 25;

/**
 * Pings for all connections by one timer: each tick pings one slot of them and looks after another. Time is counted in
 * ticks, so a process that was held up for long does not take its peers for dead.
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #step: number;
  /** Ticks from a ping until its answer is looked for. */
  readonly #patience: number;
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<Pulse>());
  #tick = 0;
  #next = 0;
  #cancel: (() => void) | undefined;

  constructor({ clock, interval, timeout }: HeartbeatOptions) {
    this.#clock = clock;
    this.#step = interval / SLOTS;
    this.#patience = Math.min(SLOTS - 1, Math.ceil(timeout / this.#step));
  }

  start(): void {
    this.#cancel ??= this.#clock.after(this.#step, this.#beat);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /**
   * Watches a connection: its first ping is within one interval from now.
   * @returns where it is watched: deleted there, it no longer is
   */
  add(pulse: Pulse): HeartbeatWatch {
    const slot = this.#slotAt(this.#next);
    this.#next = (this.#next + 1) % SLOTS;
    slot.add(pulse);
    return slot;
  }

  readonly #beat = (): void => {
    this.#cancel = this.#clock.after(this.#step, this.#beat);
    this.#tick += 1;
    for (const pulse of this.#slotAt(this.#tick - this.#patience)) {
      if (!pulse.alive) pulse.expire();
    }
    for (const pulse of this.#slotAt(this.#tick)) pulse.ping();
  };

  #slotAt(tick: number): Set<Pulse> {
    const slot = this.#slots[(tick + SLOTS) % SLOTS];
    if (slot === undefined) throw new Error(`no slot for tick ${tick}`);
    return slot;
  }
}
