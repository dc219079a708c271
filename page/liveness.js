// A browser sends no WebSocket pings of its own, and is not told of those that it answers. On a wire that was cut without
// a word, a socket therefore stays open for minutes: the page has to ask.

/** How long a connection may be quiet before it is asked for a sign of life, in milliseconds. */
const QUIET_MS = 20_000;
/** How long the answer may take, in milliseconds. */
const ANSWER_MS = 8_000;

/** Watches one connection. `ask` sends a ping; `lost` is called once when nothing at all comes back. */
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

  /** Notes that something has come. */
  heard() {
    this.#heardAt = performance.now();
  }

  /** Asks now: the network has changed, or the page was asleep. */
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
