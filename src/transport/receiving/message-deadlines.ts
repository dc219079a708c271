import type { Clock } from "../../core/ports.js";

/** Parts of the time limit after which expired messages are looked for. */
const SWEEPS = 8;

/** A connection with a message that is not complete. */
export interface UnfinishedMessage {
  /** Monotonic time at which its first byte came, in milliseconds. */
  readonly begun: number;
  /** Called when its time is over. */
  expire(): void;
}

export interface MessageDeadlinesOptions {
  readonly clock: Clock;
  /** Milliseconds from the first byte of a message to its last; noticed 1/8 of it later at the latest. */
  readonly timeout: number;
}

/** Bounds the time that messages take to arrive, for all connections with one timer, which only runs while there are any. */
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
