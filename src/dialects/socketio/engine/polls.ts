import type { ServerResponse } from "node:http";
import type { Clock } from "../../../core/ports.js";

/** Longest time for a client to take the answer to a poll, in milliseconds. */
export const TAKE_TIMEOUT = 30_000;

export interface PollsOptions {
  readonly clock: Clock;
  /** Told that an answer was not taken in time, or was lost: the client would miss packets. */
  readonly onLost: (why: "too slow" | "gone") => void;
}

/**
 * The polls of one client. An answer counts as taken when its connection has nothing of it left, and no poll is answered before. The
 * library counts it as soon as it is written: a client that polls on new connections and reads nothing would fill memory.
 */
export class Polls {
  readonly #clock: Clock;
  readonly #onLost: PollsOptions["onLost"];
  /** The poll whose answer has not been taken yet. */
  #current: ServerResponse | undefined;
  #held: (() => void) | undefined;
  readonly #onTaken: (() => void)[] = [];
  #cancelTimeout: (() => void) | undefined;

  constructor({ clock, onLost }: PollsOptions) {
    this.#clock = clock;
    this.#onLost = onLost;
  }

  /**
   * Takes a poll. The library gets it now, or when the answer before it has been taken.
   * @returns false where another poll waits already, which violates the protocol
   */
  take(response: ServerResponse, handle: () => void): boolean {
    if (this.#current === undefined) {
      this.#give(response, handle);
      return true;
    }
    // One beside another that has no answer yet is the library's to refuse.
    if (!this.#current.writableEnded) {
      handle();
      return true;
    }
    if (this.#held !== undefined) return false;
    this.#watch();
    this.#held = () => this.#give(response, handle);
    return true;
  }

  /** Runs a function when the answer under way has been taken; at once where there is none. */
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
    // A time of its own: the poll that is held comes after it, and is done at once.
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
      // Where it has no answer yet the library notices itself.
      if (socket.destroyed && response.writableEnded) this.#onLost("gone");
      this.#taken();
    };
    // Which comes when the connection ends before, too.
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
