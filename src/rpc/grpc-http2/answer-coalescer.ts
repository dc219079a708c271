import type { Clock } from "../../core/ports.js";
import { systemClock } from "../../util/system-clock.js";

/** Milliseconds for which an answer waits for others, and for which it waits once more during a probe. */
export const ANSWER_WAIT = 2;

/** Smallest and largest number of answers that others wait for, and largest number during a probe. */
const MIN_ANSWERS = 8;
const MAX_ANSWERS = 64;
const PROBED_ANSWERS = 2 * MAX_ANSWERS;

/** Smallest and largest number of releases between two probes. */
const MIN_INTERVAL = 16;
const MAX_INTERVAL = 4_096;

/**
 * Decides when the answers of a stream leave, so that server and client read and write once for many messages.
 *
 * The answers leave once they are half as many as the requests that the client keeps under way: it sends the next ones while
 * the rest is handled. That number is found by probes, which wait until the client sends no more. Answers to a client with few
 * requests under way leave at once, except during a probe. Probes become rare if they have kept the client waiting.
 */
export class AnswerCoalescer {
  readonly #release: () => void;
  readonly #clock: Pick<Clock, "after">;
  /** Number of answers that leave together. */
  #size = 1;
  #interval = MIN_INTERVAL;
  #releasesToProbe = MIN_INTERVAL;
  #waiting = 0;
  /** Number of answers that waited when the timer was set. */
  #waitedBefore = 0;
  #isExtended = false;
  #cancel: (() => void) | undefined;

  /** @param release - sends the answers, and calls {@link clear} */
  constructor(release: () => void, clock: Pick<Clock, "after"> = systemClock) {
    this.#release = release;
    this.#clock = clock;
  }

  /**
   * Releases the answers, now or later. Called when all requests that have arrived are handled.
   * @param waiting - number of answers
   */
  decide(waiting: number): void {
    this.#waiting = waiting;
    if (waiting < (this.#isProbing ? PROBED_ANSWERS : this.#size)) {
      if (this.#cancel === undefined) this.#wait();
      return;
    }
    if (this.#isProbing) this.#adapt(false);
    else this.#releasesToProbe -= 1;
    this.#release();
  }

  /** No answer waits any more. */
  clear(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#isExtended = false;
  }

  get #isProbing(): boolean {
    return this.#releasesToProbe === 0;
  }

  #wait(): void {
    this.#waitedBefore = this.#waiting;
    this.#cancel = this.#clock.after(ANSWER_WAIT, this.#expire);
  }

  readonly #expire = (): void => {
    const isPaused = this.#waiting === this.#waitedBefore;
    if (this.#isProbing && !isPaused && !this.#isExtended) {
      this.#isExtended = true;
      this.#wait();
      return;
    }
    if (this.#isProbing) this.#adapt(isPaused);
    else if (isPaused) {
      // The client waits for these answers, or has nothing to send.
      this.#releasesToProbe -= 1;
      this.#setSize();
    } else {
      // It sends less often than before.
      this.#releasesToProbe = 0;
    }
    this.#release();
  };

  /** Ends a probe. @param isPaused - whether the client has sent no more */
  #adapt(isPaused: boolean): void {
    this.#setSize();
    this.#interval = isPaused || this.#size === 1 ? Math.min(2 * this.#interval, MAX_INTERVAL) : MIN_INTERVAL;
    this.#releasesToProbe = this.#interval;
  }

  #setSize(): void {
    const size = Math.min(MAX_ANSWERS, Math.floor(this.#waiting / 2));
    this.#size = size < MIN_ANSWERS ? 1 : size;
  }
}
