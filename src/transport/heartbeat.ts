import type { Clock } from "../core/ports.js";

/** A connection whose life is watched. */
export interface Pulse {
  /** Asks the peer for a sign of life. */
  ping(): void;
  /** Whether there has been one since the ping. */
  readonly alive: boolean;
  /** Called when there was none. */
  expire(): void;
}

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** Milliseconds between two pings of a connection. */
  readonly interval: number;
  /** Milliseconds that a peer may take to answer. Less than the interval. */
  readonly timeout: number;
}

/** Connections are spread over so many slots of the interval, so that pings do not all leave at once. */
const SLOTS = 25;

/** Pings for all connections by one timer: each tick pings one slot of them and looks after another. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #step: number;
  /** Ticks from a ping until its answer is looked for. */
  readonly #patience: number;
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<Pulse>());
  readonly #pinged = new Set<Pulse>();
  #tick = 0;
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
   * Watches a connection: its first ping is one interval from now.
   * @returns a function that ends the watch
   */
  add(pulse: Pulse): () => void {
    const slot = this.#slots[this.#tick % SLOTS];
    slot?.add(pulse);
    return () => {
      slot?.delete(pulse);
      this.#pinged.delete(pulse);
    };
  }

  readonly #beat = (): void => {
    this.#cancel = this.#clock.after(this.#step, this.#beat);
    this.#tick += 1;
    for (const pulse of this.#slotAt(this.#tick - this.#patience)) {
      if (this.#pinged.delete(pulse) && !pulse.alive) pulse.expire();
    }
    for (const pulse of this.#slotAt(this.#tick)) {
      this.#pinged.add(pulse);
      pulse.ping();
    }
  };

  #slotAt(tick: number): Iterable<Pulse> {
    return this.#slots[((tick % SLOTS) + SLOTS) % SLOTS] ?? [];
  }
}
