import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { withResolvers } from "../../util/with-resolvers.js";

/** One round trip to the server, shared by everybody who waited for it to begin. */
export interface Round {
  /** Subjects on which the server refused a publish during this round. */
  readonly refusedSubjects: ReadonlySet<string>;
}

interface OpenRound extends Round {
  readonly refusedSubjects: Set<string>;
  readonly done: Promise<Round>;
  readonly resolve: (round: Round) => void;
  readonly reject: (cause: CarillonError) => void;
  bytes: number;
}

export interface RoundsOptions {
  /** Sends a ping after everything sent so far; resolves when the server has answered it. */
  readonly ping: () => Promise<void>;
  readonly clock: Clock;
  /** Milliseconds that the server may take to answer. */
  readonly timeout: number;
  /** Name of the broker, for errors. */
  readonly broker: string;
}

/**
 * Round trips by which publishes and subscriptions are confirmed: one is under way at a time, and all who come
 * meanwhile share the next (a group commit). It also counts the bytes that the server has not confirmed yet.
 */
export class Rounds {
  readonly #options: RoundsOptions;
  #flying: OpenRound | undefined;
  #next: OpenRound | undefined;

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** Bytes sent that no round has confirmed. */
  get unconfirmedBytes(): number {
    return (this.#flying?.bytes ?? 0) + (this.#next?.bytes ?? 0);
  }

  /**
   * Waits for a round trip that begins after this call.
   * @param bytes - sent just before the call
   */
  confirm(bytes: number): Promise<Round> {
    if (this.#next === undefined) {
      this.#next = openRound();
      // A rejection is for those who wait; where nobody does (the round of a shutdown), it is no fault.
      this.#next.done.catch(ignore);
      if (this.#flying === undefined) queueMicrotask(this.#begin);
    }
    this.#next.bytes += bytes;
    return this.#next.done;
  }

  /** The server refused a publish that was sent before its next answer. */
  refuse(subject: string): void {
    this.#flying?.refusedSubjects.add(subject);
    // The refusal may belong to what is being sent for the next round already; a refused subject stays refused.
    this.#next?.refusedSubjects.add(subject);
  }

  /** The connection is lost: nobody will hear an answer. */
  fail(): void {
    const lost = [this.#flying, this.#next];
    this.#flying = undefined;
    this.#next = undefined;
    const { broker } = this.#options;
    for (const round of lost) {
      round?.reject(unconfirmed(`broker ${JSON.stringify(broker)} was lost before it confirmed`));
    }
  }

  readonly #begin = (): void => {
    const round = this.#next;
    if (round === undefined || this.#flying !== undefined) return;
    this.#next = undefined;
    this.#flying = round;
    const { broker, clock, ping, timeout } = this.#options;
    const cancelTimer = clock.after(timeout, () => {
      round.reject(unconfirmed(`broker ${JSON.stringify(broker)} did not confirm within ${timeout} ms`));
      this.#land(round);
    });
    ping().then(
      () => {
        // An error that the server sent before its answer is reported a few microtasks later than the answer.
        setImmediate(() => {
          cancelTimer();
          round.resolve(round);
          this.#land(round);
        });
      },
      () => {
        cancelTimer();
        round.reject(unconfirmed(`broker ${JSON.stringify(broker)} was lost before it confirmed`));
        this.#land(round);
      },
    );
  };

  #land(round: OpenRound): void {
    if (this.#flying !== round) return;
    this.#flying = undefined;
    if (this.#next !== undefined) this.#begin();
  }
}

function openRound(): OpenRound {
  const { promise: done, resolve, reject } = withResolvers<Round>();
  return { refusedSubjects: new Set(), done, resolve, reject, bytes: 0 };
}

function unconfirmed(what: string): CarillonError {
  return new CarillonError("unavailable", `${what}: it may or may not have taken effect`);
}

function ignore(): void {}
