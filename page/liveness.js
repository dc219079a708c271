// Browsers cannot send WebSocket pings, and do not expose the pings that they answer. A socket whose connection was cut
// silently therefore stays open for minutes, so the page sends pings of its own.

/** Milliseconds of silence after which the page sends a ping. */
const QUIET_MS = 20_000;
/** Milliseconds within which the answer must arrive. */
const ANSWER_MS = 8_000;

/** Watches one connection. `ask` sends a ping; `lost` is called once when no frame arrives in time. */
export class Liveness {
  #ask;
  #lost;
  #timer;
  #heardAt = 0;

  constructor({ ask, lost }) {
    this.#ask = ask;
    this.#lost = lost;
  }

  start() {
    this.stop();
    this.heard();
    this.#watch(QUIET_MS);
  }

  /** Records that a frame has arrived. */
  heard() {
    this.#heardAt = performance.now();
  }

  /** Sends a ping now, because the network has changed or the page was suspended. */
  probe() {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    const askedAt = performance.now();
    this.#ask();
    this.#timer = setTimeout(() => {
      if (this.#heardAt >= askedAt) this.#watch(QUIET_MS);
      else this.#lost();
    }, ANSWER_MS);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #watch(milliseconds) {
    this.#timer = setTimeout(() => {
      const left = QUIET_MS - (performance.now() - this.#heardAt);
      if (left > 0) this.#watch(left);
      else this.probe();
    }, milliseconds);
  }
}
