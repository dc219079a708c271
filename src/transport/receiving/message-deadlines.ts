import type { Clock } from "../../core/ports.js";

/** Number of sweeps within the timeout. */
const SWEEPS = 8;

/** Connection with an incomplete message. */
export interface UnfinishedMessage {
  /** Monotonic time at which the first byte arrived, in milliseconds. */
  readonly begun: number;
  /** Called when the message has timed out. */
  expire(): void;
}

export interface MessageDeadlinesOptions {
  readonly clock: Clock;
  /** Milliseconds from the first byte of a message to its last; detected at most 1/8 of it later. */
  readonly timeout: number;
}

/**
 * Bounds the time in which messages must arrive. One timer serves all connections; it runs only while messages are
 * incomplete.
 */
export class MessageDeadlines {
  readonly clock: Clock;
  readonly #timeout: number;
  readonly #messages = new Set<UnfinishedMessage>();
  #swept = true;

  constructor({ clock, timeout }: MessageDeadlinesOptions) {
    this.clock = clock;
    this.#timeout = timeout;
  }

  add(message: UnfinishedMessage): void {
    this.#messages.add(message);
    if (!this.#swept) return;
    this.#swept = false;
    this.clock.after(this.#timeout / SWEEPS, this.#sweep);
  }

  delete(message: UnfinishedMessage): void {
    this.#messages.delete(message);
  }

  readonly #sweep = (): void => {
    const latest = this.clock.monotonic() - this.#timeout;
    for (const message of this.#messages) if (message.begun <= latest) message.expire();
    this.#swept = this.#messages.size === 0;
    if (!this.#swept) this.clock.after(this.#timeout / SWEEPS, this.#sweep);
  };
}
