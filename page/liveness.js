// Browsers cannot send WebSocket pings, and do not expose the pings that they answer. A socket whose connection was cut
// silently therefore stays open for minutes, so the page sends pings of its own.

/** Milliseconds of silence after which the page sends a ping. */
const QUIET_MS = 20_000;
/** Milliseconds within which the answer must arrive. */
const ANSWER_MS = 8_000;

/** Watches one connection. `ping` sends a ping; `onLost` is called once when no frame arrives in time. */
export class Liveness {
  #ping;
  #onLost;
  #timer;
  #receivedAt = 0;

  constructor({ ping, onLost }) {
    this.#ping = ping;
    this.#onLost = onLost;
  }

  start() {
    this.stop();
    this.received();
    this.#watch(QUIET_MS);
  }

  /** Records that a frame has arrived. */
  received() {
    this.#receivedAt = performance.now();
  }

  /** Sends a ping now, because the network has changed or the page was suspended. */
  probe() {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    const pingedAt = performance.now();
    this.#ping();
    this.#timer = setTimeout(() => {
      if (this.#receivedAt >= pingedAt) this.#watch(QUIET_MS);
      else this.#onLost();
    }, ANSWER_MS);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #watch(milliseconds) {
    this.#timer = setTimeout(() => {
      const left = QUIET_MS - (performance.now() - this.#receivedAt);
      if (left > 0) this.#watch(left);
      else this.probe();
    }, milliseconds);
  }
}
