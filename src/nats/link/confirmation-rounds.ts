import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { ignore } from "../../util/ignore.js";
import { withResolvers } from "../../util/with-resolvers.js";

/** One round trip to the server, shared by everybody who waited for it to begin. */
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

/** A subject that the server has been asked for. */
export interface RequestedSubject {
  /** The server has answered a ping that was sent after it. */
  confirm(): void;
}

/** A ping that the server has not answered: who waits for it, if anybody still does, and what was sent before it. */
interface Flight<Subject> {
  readonly round: OpenRound | undefined;
  readonly bytes: number;
  readonly asked: ReadonlySet<Subject>;
}

export interface ConfirmationRoundsOptions {
  /** Sends a ping after everything sent so far; resolves when the server has answered it. */
  readonly ping: () => Promise<void>;
  readonly clock: Clock;
  /** Milliseconds that anybody waits for the server. */
  readonly timeout: number;
  /** Name of the broker, for errors. */
  readonly broker: string;
}

/**
 * Round trips by which publishes and subscriptions are confirmed: one is under way at a time, and all who come
 * meanwhile share the next (a group commit, rule N5).
 *
 * It also counts the bytes that the server has not confirmed. Those who wait give up after a while (E12); the bytes are
 * counted on until the server answers or the connection is lost, for as long as that they fill this node's memory (O6).
 */
export class ConfirmationRounds<Subject extends RequestedSubject = RequestedSubject> {
  readonly #options: ConfirmationRoundsOptions;
  #flight: Flight<Subject> | undefined;
  #next: OpenRound | undefined;
  #nextBytes = 0;
  #nextAsked = new Set<Subject>();

  constructor(options: ConfirmationRoundsOptions) {
    this.#options = options;
  }

  /** Bytes sent that no answer of the server has covered. */
  get unconfirmedBytes(): number {
    return (this.#flight?.bytes ?? 0) + this.#nextBytes;
  }

  /** Subjects asked for that no answer of the server has covered. */
  get unconfirmedAsked(): readonly Subject[] {
    return [...(this.#flight?.asked ?? []), ...this.#nextAsked];
  }

  /** A subject was asked for just before the call. */
  ask(subject: Subject): void {
    this.#nextAsked.add(subject);
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
      if (this.#flight === undefined) queueMicrotask(this.#begin);
    }
    return this.#next.done;
  }

  /**
   * The server refused a publish. It may have been sent for the round under way or for the next one: a subject that is
   * refused in the one is refused in the other.
   */
  refuse(subject: string): void {
    this.#flight?.round?.refusedSubjects.add(subject);
    this.#next?.refusedSubjects.add(subject);
  }

  /** The connection is lost, and with it what was sent and every answer. */
  fail(): void {
    const lost = [this.#flight?.round, this.#next];
    this.#flight = undefined;
    this.#next = undefined;
    this.#nextBytes = 0;
    this.#nextAsked = new Set();
    for (const round of lost) round?.reject(this.#unconfirmed("was lost before it confirmed"));
  }

  readonly #begin = (): void => {
    if (this.#flight !== undefined || (this.#next === undefined && this.#nextBytes === 0)) return;
    const flight: Flight<Subject> = { round: this.#next, bytes: this.#nextBytes, asked: this.#nextAsked };
    this.#flight = flight;
    this.#next = undefined;
    this.#nextBytes = 0;
    this.#nextAsked = new Set();
    this.#options.ping().then(
      () => {
        // The library tells of a refusal that the server sent before its answer some microtasks after the answer.
        setImmediate(() => {
          this.#land(flight);
        });
      },
      () => {
        if (this.#flight === flight) this.fail();
      },
    );
  };

  #land(flight: Flight<Subject>): void {
    if (this.#flight !== flight) return;
    this.#flight = undefined;
    for (const subject of flight.asked) subject.confirm();
    flight.round?.resolve();
    this.#begin();
  }

  #open(): OpenRound {
    const { clock, timeout } = this.#options;
    const { promise: done, resolve, reject } = withResolvers<ConfirmationRound>();
    // A rejection is for those who wait; where they have all gone, it is no fault.
    done.catch(ignore);
    const cancelTimer = clock.after(timeout, () => {
      // Whoever comes from now on has a round, and a time, of their own.
      if (this.#next === round) this.#next = undefined;
      reject(this.#unconfirmed(`did not confirm within ${timeout} ms`));
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

  #unconfirmed(what: string): CarillonError {
    const text = `broker ${JSON.stringify(this.#options.broker)} ${what}: it may or may not have taken effect`;
    return new CarillonError("unavailable", text);
  }
}
