import type { ServerResponse } from "node:http";
import type { Clock } from "../../../core/ports.js";

/** Longest time for a client to receive the answer to a poll, in milliseconds. */
export const TAKE_TIMEOUT = 30_000;

export interface PollsOptions {
  readonly clock: Clock;
  /**
   * Called when an answer is not received in time, or is lost. The connection must end, because the client would miss
   * packets.
   */
  readonly onLost: (why: "too slow" | "gone") => void;
}

/**
 * Polls of one client. An answer counts as taken when the buffer of its socket is empty. The next poll is not answered
 * earlier. The library itself would count an answer as taken when it is written, so a client that polls on new sockets and
 * never reads would fill the memory.
 */
export class Polls {
  readonly #clock: Clock;
  readonly #onLost: PollsOptions["onLost"];
  /** Poll whose answer has not been taken yet. */
  #current: ServerResponse | undefined;
  #held: (() => void) | undefined;
  readonly #onTaken: (() => void)[] = [];
  #cancelTimeout: (() => void) | undefined;

  constructor({ clock, onLost }: PollsOptions) {
    this.#clock = clock;
    this.#onLost = onLost;
  }

  /**
   * Accepts a poll. The library handles it now, or when the preceding answer has been taken.
   * @returns false when another poll waits already, which violates the protocol
   */
  take(response: ServerResponse, handle: () => void): boolean {
    if (this.#current === undefined) {
      this.#give(response, handle);
      return true;
    }
    // The library itself refuses a second poll while one is unanswered.
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
    // The last answer needs its own timer. The held poll becomes the current one below and ends at once, which cancels the
    // shared timer.
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
    // "close" is emitted even if the socket is lost before the answer has finished.
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
