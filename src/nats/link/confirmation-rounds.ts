import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { ignore } from "../../util/ignore.js";
import { withResolvers } from "../../util/with-resolvers.js";

/** One round trip to the server, shared by all callers that were waiting when it began. */
export interface ConfirmationRound {
  /** Subjects on which the server refused a publish during this round. */
  readonly refusedSubjects: ReadonlySet<string>;
}

interface OpenRound extends ConfirmationRound {
  readonly refusedSubjects: Set<string>;
  readonly done: Promise<ConfirmationRound>;
  readonly resolve: () => void;
  readonly reject: (cause: CarillonError) => void;
}

/** A subject whose subscription was sent to the server. */
export interface RequestedSubject {
  /** Called when the server has answered a ping that was sent after the subscription. */
  confirm(): void;
}

/** A ping in flight: the round that waits for it, if any, and the bytes and subscriptions sent before it. */
interface PingInFlight<Subject> {
  readonly round: OpenRound | undefined;
  readonly bytes: number;
  readonly subjects: ReadonlySet<Subject>;
}

export interface ConfirmationRoundsOptions {
  /** Sends a ping after all earlier output. Resolves when the server has answered it. */
  readonly ping: () => Promise<void>;
  readonly clock: Clock;
  /** Maximum wait of a caller, in milliseconds. */
  readonly timeout: number;
  /** Name of the broker, for errors. */
  readonly broker: string;
}

/**
 * Round trips that confirm publishes and subscriptions. One is in flight at a time; all callers that arrive meanwhile
 * share the next (a group commit, rule N5).
 *
 * Also counts the bytes that the server has not confirmed. Callers time out (E12), but the bytes count until the server
 * answers or the connection is lost, because they occupy this node's memory until then (O6).
 */
export class ConfirmationRounds<Subject extends RequestedSubject = RequestedSubject> {
  readonly #options: ConfirmationRoundsOptions;
  #inFlight: PingInFlight<Subject> | undefined;
  #next: OpenRound | undefined;
  #nextBytes = 0;
  #nextSubjects = new Set<Subject>();

  constructor(options: ConfirmationRoundsOptions) {
    this.#options = options;
  }

  /** Number of bytes sent and not confirmed by the server. */
  get unconfirmedBytes(): number {
    return (this.#inFlight?.bytes ?? 0) + this.#nextBytes;
  }

  /** Subjects whose subscriptions were sent and not confirmed by the server. */
  get unconfirmedSubjects(): readonly Subject[] {
    return [...(this.#inFlight?.subjects ?? []), ...this.#nextSubjects];
  }

  /** Adds a subject whose subscription was sent just before the call. */
  addSubject(subject: Subject): void {
    this.#nextSubjects.add(subject);
  }

  /**
   * Waits for a round trip that begins after this call.
   * @param bytes - sent just before the call
   * @throws CarillonError unavailable
   */
  confirm(bytes: number): Promise<ConfirmationRound> {
    this.#nextBytes += bytes;
    if (this.#next === undefined) {
      this.#next = this.#open();
      if (this.#inFlight === undefined) queueMicrotask(this.#begin);
    }
    return this.#next.done;
  }

  /**
   * Records that the server refused a publish. The publish may belong to the round in flight or to the next one, so the
   * subject counts as refused in both.
   */
  refuse(subject: string): void {
    this.#inFlight?.round?.refusedSubjects.add(subject);
    this.#next?.refusedSubjects.add(subject);
  }

  /** Rejects all rounds, because the connection was lost together with sent data and answers. */
  fail(): void {
    const lost = [this.#inFlight?.round, this.#next];
    this.#inFlight = undefined;
    this.#next = undefined;
    this.#nextBytes = 0;
    this.#nextSubjects = new Set();
    const error = this.#unconfirmed(`the connection to ${this.#broker} was lost before it confirmed`);
    for (const round of lost) round?.reject(error);
  }

  readonly #begin = (): void => {
    if (this.#inFlight !== undefined || (this.#next === undefined && this.#nextBytes === 0)) return;
    const ping: PingInFlight<Subject> = { round: this.#next, bytes: this.#nextBytes, subjects: this.#nextSubjects };
    this.#inFlight = ping;
    this.#next = undefined;
    this.#nextBytes = 0;
    this.#nextSubjects = new Set();
    this.#options.ping().then(
      () => {
        // The library reports a refusal some microtasks after the answer, although the server sent it first.
        setImmediate(() => {
          this.#complete(ping);
        });
      },
      () => {
        if (this.#inFlight === ping) this.fail();
      },
    );
  };

  #complete(ping: PingInFlight<Subject>): void {
    if (this.#inFlight !== ping) return;
    this.#inFlight = undefined;
    for (const subject of ping.subjects) subject.confirm();
    ping.round?.resolve();
    this.#begin();
  }

  #open(): OpenRound {
    const { clock, timeout } = this.#options;
    const { promise: done, resolve, reject } = withResolvers<ConfirmationRound>();
    // A rejection without waiting callers is not an error.
    done.catch(ignore);
    const cancelTimer = clock.after(timeout, () => {
      // Later callers get a new round with its own timeout.
      if (this.#next === round) this.#next = undefined;
      reject(this.#unconfirmed(`${this.#broker} did not confirm within ${timeout} ms`));
    });
    const round: OpenRound = {
      refusedSubjects: new Set(),
      done,
      resolve: () => {
        cancelTimer();
        resolve(round);
      },
      reject: (cause) => {
        cancelTimer();
        reject(cause);
      },
    };
    return round;
  }

  get #broker(): string {
    return `broker ${JSON.stringify(this.#options.broker)}`;
  }

  #unconfirmed(text: string): CarillonError {
    return new CarillonError("unavailable", `${text}: the outcome is unknown`);
  }
}
