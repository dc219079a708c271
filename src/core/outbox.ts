import type { Sink } from "./ports.js";

/**
 * The frames of one session for this turn of the event loop, and the bound on what may wait for its peer (O6).
 *
 * The bound counts what the connection has not taken yet. A peer that has taken everything gets whatever the turn
 * brought, so one frame larger than the limit does not end a session that keeps up.
 */
export class Outbox {
  readonly #sink: Sink;
  readonly #limit: number;
  #frames: Uint8Array[] = [];
  #messages = 0;
  #bytes = 0;

  /** @param limit - in bytes */
  constructor(sink: Sink, limit: number) {
    this.#sink = sink;
    this.#limit = limit;
  }

  get empty(): boolean {
    return this.#frames.length === 0;
  }

  /** @param messages - how many messages the frames carry */
  push(frames: Uint8Array, messages: number): void {
    this.#frames.push(frames);
    this.#messages += messages;
    this.#bytes += frames.length;
  }

  /**
   * Writes what the turn brought, in one write, unless the peer is too slow: then it is dropped.
   * @returns how many messages were dropped, or undefined when all was written
   */
  flush(): number | undefined {
    const frames = this.#frames;
    const messages = this.#messages;
    const { backlog } = this.#sink;
    const fits = backlog === 0 || backlog + this.#bytes <= this.#limit;
    this.#frames = [];
    this.#messages = 0;
    this.#bytes = 0;
    if (!fits) return messages;
    if (frames.length > 0) this.#sink.write(frames);
    return undefined;
  }
}
