import type { BackendAction } from "../access/decide/actions.js";
import type { Clock } from "../core/ports.js";
import { CarillonError } from "../errors.js";

/**
 * Burst that a caller may receive after a pause, in seconds of its rate. With the default rate it covers a list of 50,000
 * connections, page by page.
 */
const BURST = 8;

/** Bytes reserved while an answer is being prepared, so that a caller cannot request an unlimited number of answers at once. */
const RESERVED = 65_536;

/** Number of accounts above which the accounts of idle callers are removed, unless they are overdrawn. */
const MAX_ACCOUNTS = 4_096;

/** Actions with potentially large answers. */
const LISTING: ReadonlySet<BackendAction | undefined> = new Set<BackendAction>([
  "connections",
  "topics",
  "presence",
  "channels",
  "keys",
  "vhosts",
  "history",
]);

export function isListing(action: BackendAction | undefined): boolean {
  return LISTING.has(action);
}

interface Account {
  /** Bytes left at `time`; negative when the caller has overdrawn. */
  left: number;
  /** Monotonic, in milliseconds. */
  time: number;
}

/**
 * Bounds the bytes of answers of each caller by a token bucket (rule L17). An answer is never cut short; instead, the next
 * call is refused.
 */
export class AnswerBudget {
  #perSecond: number;
  readonly #clock: Clock;
  readonly #accounts = new Map<string, Account>();

  /** @param perSecond - bytes; infinity for no bound */
  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
  }

  /** Changes the rate. @param perSecond - bytes; infinity for no bound */
  changeRate(perSecond: number): void {
    // Accounts begin anew, because infinity cannot be counted down from.
    if (perSecond !== this.#perSecond) this.#accounts.clear();
    this.#perSecond = perSecond;
  }

  /**
   * Begins to count an answer.
   * @param key - identifies the caller
   * @throws CarillonError resource_exhausted, with the retry delay
   */
  open(key: string): AnswerLease {
    const account = this.#account(key);
    if (account.left < RESERVED) {
      const retryDelay = Math.ceil(((RESERVED - account.left) * 1_000) / this.#perSecond);
      const text = "too many bytes of answers: retry later (limits.backend_answer_bytes_per_second)";
      throw new CarillonError("resource_exhausted", text, { retryDelay });
    }
    return new AnswerLease((bytes) => {
      this.#account(key).left -= bytes;
    });
  }

  #account(key: string): Account {
    const limit = this.#perSecond * BURST;
    const time = this.#clock.monotonic();
    let account = this.#accounts.get(key);
    if (account === undefined) {
      if (this.#accounts.size >= MAX_ACCOUNTS) this.#forgetIdle(time);
      account = { left: limit, time };
      this.#accounts.set(key, account);
    } else if (time > account.time) {
      account.left = Math.min(limit, account.left + ((time - account.time) * this.#perSecond) / 1_000);
      account.time = time;
    }
    return account;
  }

  #forgetIdle(time: number): void {
    for (const [key, account] of this.#accounts) {
      if (time - account.time > BURST * 1_000 && account.left >= 0) this.#accounts.delete(key);
    }
  }
}

/** Counts the bytes of one answer. */
export class AnswerLease {
  readonly #take: (bytes: number) => void;
  #reserved = RESERVED;

  /** @param take - charges bytes to the caller's account; a negative number returns them */
  constructor(take: (bytes: number) => void) {
    this.#take = take;
    take(RESERVED);
  }

  /** Charges bytes that are sent. */
  spend(bytes: number): void {
    const covered = Math.min(bytes, this.#reserved);
    this.#reserved -= covered;
    if (bytes > covered) this.#take(bytes - covered);
  }

  /** Returns the unused part of the reservation. A stream does so after its first answer and may continue to spend. */
  settle(): void {
    if (this.#reserved > 0) this.#take(-this.#reserved);
    this.#reserved = 0;
  }
}
