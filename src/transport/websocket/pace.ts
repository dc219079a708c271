import { setImmediate } from "node:timers/promises";
import type { Client } from "../../clients/client.js";
import type { Clock } from "../../core/ports.js";

/** Commands of one client, and bytes of their answers, after which others have their turn. */
const COMMANDS_A_TURN = 64;
const ANSWERS_A_TURN = 64 * 1_024;

/**
 * How fast one client's commands are answered. One that has had more answers than it may is not read meanwhile: TCP slows it
 * down. One that does not take its answers is closed by its outbox (L6).
 */
export class Pace {
  readonly #client: Client;
  readonly #clock: Clock;
  #commands = 0;
  #bytes = 0;

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Counts bytes that have been sent in answer. */
  answered(bytes: number): void {
    this.#bytes += bytes;
  }

  /** A command has been answered. @returns resolves when the next may be taken; undefined: now */
  next(): Promise<void> | undefined {
    this.#commands += 1;
    if (this.#commands < COMMANDS_A_TURN && this.#bytes < ANSWERS_A_TURN) return undefined;
    const bytes = this.#bytes;
    this.#commands = 0;
    this.#bytes = 0;
    return this.#rest(bytes);
  }

  async #rest(bytes: number): Promise<void> {
    // At the end of the turn its answers are written.
    await setImmediate();
    const wait = this.#client.rates?.answeredBytes?.spend(bytes) ?? 0;
    if (wait === 0) return;
    await new Promise<void>((resolve) => {
      this.#clock.after(wait, resolve);
    });
  }
}
