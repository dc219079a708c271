import type { Clock } from "../../../core/ports.js";
import { withResolvers } from "../../../util/with-resolvers.js";

/** Shortest and longest pause before a failed read is repeated, in milliseconds. */
const PAUSE = 100;
const MAX_PAUSE = 2_000;

export interface ReadScheduleOptions {
  readonly clock: Clock;
  /** Reads the store. Rejects when it does not answer. */
  readonly run: () => Promise<void>;
  /** Whether the log has everything that was stored before. */
  readonly isCurrent: () => boolean;
  /** Called when a read has failed, before it is repeated. */
  readonly onFailed: (cause: unknown) => void;
}

/**
 * Reads the log until it is current, one read at a time, and resolves the waiting calls then. Two reads at a time would deliver
 * messages twice, or not at all.
 */
export class ReadSchedule {
  readonly #options: ReadScheduleOptions;
  #running: Promise<void> | undefined;
  #pause = PAUSE;
  #cancelRetry: (() => void) | undefined;
  /** Shared by all who wait until the log is current. */
  #current: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  #isStopped = false;

  constructor(options: ReadScheduleOptions) {
    this.#options = options;
  }

  /** Lets the next failed read be repeated soon. */
  resetPause(): void {
    this.#pause = PAUSE;
  }

  /** Reads, unless a read is running. Resolves when it has ended, successful or not. */
  check(): Promise<void> {
    return this.#running ?? this.#start();
  }

  /** Resolves when the log is current, or the schedule is stopped. */
  becomeCurrent(): Promise<void> {
    if (this.#isStopped || this.#options.isCurrent()) return Promise.resolve();
    this.#current ??= withResolvers<void>();
    void this.check();
    return this.#current.promise;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelRetry?.();
    this.#afterRead();
  }

  #start(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#running = this.#options
      .run()
      .then(
        () => {
          this.#pause = PAUSE;
        },
        (cause: unknown) => {
          this.#onFailed(cause);
        },
      )
      .finally(() => {
        this.#running = undefined;
        this.#afterRead();
      });
    return this.#running;
  }

  #onFailed(cause: unknown): void {
    this.#options.onFailed(cause);
    if (this.#isStopped) return;
    this.#cancelRetry = this.#options.clock.after(this.#pause, () => {
      void this.check();
    });
    this.#pause = Math.min(this.#pause * 2, MAX_PAUSE);
  }

  #afterRead(): void {
    if (this.#isStopped || this.#options.isCurrent()) {
      this.#current?.resolve();
      this.#current = undefined;
    } else if (this.#cancelRetry === undefined) {
      // The read began before the subscription was confirmed, or before a gap was found.
      void this.check();
    }
  }
}
