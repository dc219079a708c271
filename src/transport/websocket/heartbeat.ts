import type { Clock } from "../../core/ports.js";

/** Connection whose peer must show signs of life (rule L5). */
export interface MonitoredConnection {
  /** Sends a ping. */
  ping(): void;
  /** Whether the peer has shown a sign of life since the last ping; true before the first ping. */
  readonly alive: boolean;
  /** Called when the peer has shown no sign of life within the timeout. */
  expire(): void;
}

/** Slot of connections that are pinged together. */
export type HeartbeatWatch = Pick<Set<MonitoredConnection>, "delete">;

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** Milliseconds between pings of a connection. */
  readonly interval: number;
  /** Milliseconds in which a peer must answer. Less than the interval; rounded up to a multiple of 1/25 of the interval. */
  readonly timeout: number;
}

/**
 * Number of slots of the interval. Connections are assigned to them in turn, so that pings are spread even when all
 * clients connect at once after a restart.
 */
const SLOTS = 25;

/**
 * Pings all connections with one timer: each tick pings one slot and checks another. Time is counted in ticks, so that
 * a process that was suspended does not expire its peers.
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #step: number;
  /** Number of ticks from a ping to the check of its answer. */
  readonly #timeoutTicks: number;
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<MonitoredConnection>());
  #tick = 0;
  #next = 0;
  #cancel: (() => void) | undefined;

  constructor({ clock, interval, timeout }: HeartbeatOptions) {
    this.#clock = clock;
    this.#step = interval / SLOTS;
    this.#timeoutTicks = Math.min(SLOTS - 1, Math.ceil(timeout / this.#step));
  }

  start(): void {
    this.#cancel ??= this.#clock.after(this.#step, this.#beat);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /**
   * Watches a connection; its first ping is within one interval.
   * @returns the slot; delete the connection from it to stop
   */
  add(pulse: MonitoredConnection): HeartbeatWatch {
    const slot = this.#slotAt(this.#next);
    this.#next = (this.#next + 1) % SLOTS;
    slot.add(pulse);
    return slot;
  }

  readonly #beat = (): void => {
    this.#cancel = this.#clock.after(this.#step, this.#beat);
    this.#tick += 1;
    for (const pulse of this.#slotAt(this.#tick - this.#timeoutTicks)) {
      if (!pulse.alive) pulse.expire();
    }
    for (const pulse of this.#slotAt(this.#tick)) pulse.ping();
  };

  #slotAt(tick: number): Set<MonitoredConnection> {
    const slot = this.#slots[(tick + SLOTS) % SLOTS];
    if (slot === undefined) throw new Error(`no slot for tick ${tick}`);
    return slot;
  }
}
