import type { ServerResponse } from "node:http";
import type { Clock } from "../../../core/ports.js";

/** Longest time for a client to take the answer to a poll, in milliseconds. */
export const TAKE_TIMEOUT = 30_000;

export interface PollsOptions {
  readonly clock: Clock;
  /** Called when an answer is not taken in time, or lost, because the client would miss packets. */
  readonly onLost: (why: "too slow" | "gone") => void;
}

/**
 * The polls of one client. An answer counts as taken when its connection's buffer is empty, and the next poll is not answered earlier.
 * The library counts an answer as taken when it is written: a client that polls on new connections and never reads would fill memory.
 */
export class Polls {
  readonly #clock: Clock;
  readonly #onLost: PollsOptions["onLost"];
  /** The poll whose answer is not taken yet. */
  #current: ServerResponse | undefined;
  #held: (() => void) | undefined;
  readonly #onTaken: (() => void)[] = [];
  #cancelTimeout: (() => void) | undefined;

  constructor({ clock, onLost }: PollsOptions) {
    this.#clock = clock;
    this.#onLost = onLost;
  }

  /**
   * Accepts a poll. The library handles it now, or when the answer before it has been taken.
   * @returns false when another poll waits already, which violates the protocol
   */
  take(response: ServerResponse, handle: () => void): boolean {
    if (this.#current === undefined) {
      this.#give(response, handle);
      return true;
    }
    // The library refuses a poll beside an unanswered one.
    if (!this.#current.writableEnded) {
      handle();
      return true;
    }
    if (this.#held !== undefined) return false;
    this.#watch();
    this.#held = () => this.#give(response, handle);
    return true;
  }

  /** Runs a function when the pending answer has been taken; at once if there is none. */
  whenTaken(run: () => void): void {
    if (this.#current?.writableEnded !== true) {
      run();
      return;
    }
    this.#watch();
    this.#onTaken.push(run);
  }

  /** Cuts off an answer that is being taken. */
  cut(): void {
    if (this.#current?.writableEnded === true) this.#current.destroy();
  }

  /** Ends the polls. The last answer has `timeout` milliseconds to be taken. */
  end(timeout: number): void {
    this.#cancelTimeout?.();
    this.#cancelTimeout = undefined;
    const last = this.#current;
    // A timer of its own: the held poll becomes the current one below and ends at once, which cancels the shared timer.
    if (last !== undefined)
      last.once(
        "close",
        this.#clock.after(timeout, () => last.destroy()),
      );
    const held = this.#held;
    this.#held = undefined;
    held?.();
  }

  #give(response: ServerResponse, handle: () => void): void {
    this.#current = response;
    const { socket } = response.req;
    const onOver = (): void => {
      if (this.#current !== response) return;
      // The library itself notices the loss of a poll without an answer.
      if (socket.destroyed && response.writableEnded) this.#onLost("gone");
      this.#taken();
    };
    // The event also comes when the connection ends first.
    response.once("finish", onOver);
    response.once("close", onOver);
    handle();
  }

  #taken(): void {
    this.#current = undefined;
    this.#cancelTimeout?.();
    this.#cancelTimeout = undefined;
    for (const run of this.#onTaken.splice(0)) run();
    const held = this.#held;
    this.#held = undefined;
    held?.();
  }

  #watch(): void {
    this.#cancelTimeout ??= this.#clock.after(TAKE_TIMEOUT, () => this.#onLost("too slow"));
  }
}
