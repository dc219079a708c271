import type { Msg } from "nats";
import type { Message } from "../../../core/message.js";
import type { Clock } from "../../../core/ports.js";
import { CarillonError } from "../../../errors.js";
import type { HistoryCounts } from "../../../history/history-counts.js";
import { errorText } from "../../../util/native-error.js";
import { NatsStoredMessage } from "../nats-stored-message.js";
import type { StreamAddress } from "../position.js";
import type { SubjectReader } from "../read/subject-reader.js";
import type { Anchor, ClassStream } from "../streams/class-stream.js";
import { type Arrival, readArrival } from "./arrival.js";
import { type MissedMessages, readMissedMessages } from "./catch-up.js";
import { Chain } from "./chain.js";
import { HeldArrivals } from "./held-arrivals.js";
import { HotRing } from "./hot-ring.js";
import { type MergedMessages, mergeMessages } from "./merge-messages.js";
import { ReadSchedule } from "./read-schedule.js";

/** Longest wait for a message that is stored and has not arrived yet, and the pause between two looks, in milliseconds. */
const ARRIVAL_WAIT = 1_000;
const ARRIVAL_PAUSE = 20;
/** Age after which the arrival of a message is no longer awaited, in milliseconds. Allows for other clocks. */
const RECENT = 10_000;

/** Objects that the sequencers of a broker share. */
export interface SequencerContext {
  /** Reads without sharing, because each read must see what was stored before it began. */
  readonly fresh: SubjectReader;
  readonly clock: Clock;
  readonly counts: HistoryCounts;
  /** Called for errors that are bugs; for the log. */
  readonly onError: (message: string) => void;
}

/**
 * Delivers the messages of a subscribed topic in the order of its stream, each once (rule H4). On a gap, the missing messages are
 * read from the store first, and later ones are held back.
 */
export class LogSequencer {
  readonly stream: ClassStream;
  readonly ring: HotRing;
  readonly chain: Chain;
  readonly #topic: string;
  readonly #context: SequencerContext;
  readonly #deliver: (message: Message) => void;
  readonly #held = new HeldArrivals();
  #address: StreamAddress;
  #proof: Anchor | undefined;
  #epoch = 0;
  readonly #reads: ReadSchedule;
  /** Whether arrivals wait for the read. */
  #isCatchingUp = false;
  #isClosed = false;
  /** Beginning of the last successful comparison with the store, by the monotonic clock. */
  #verifiedAt = Number.NEGATIVE_INFINITY;
  /** Time since which live messages arrive. */
  #activatedAt = Number.NEGATIVE_INFINITY;
  /** Whether the topic may have members, for whom nothing that is on its way may be skipped. */
  #hasMembers: boolean;

  /** @param hasMembers - whether the topic had another log before, or none */
  constructor(
    context: SequencerContext,
    stream: ClassStream,
    topic: string,
    deliver: (message: Message) => void,
    hasMembers: boolean,
  ) {
    this.#hasMembers = hasMembers;
    this.#context = context;
    this.#deliver = deliver;
    this.#topic = topic;
    this.stream = stream;
    this.ring = new HotRing(context.counts.held);
    this.chain = new Chain(this.ring);
    this.#address = stream.addressOf(topic);
    this.#reads = new ReadSchedule({
      clock: context.clock,
      run: () => (this.#isCatchingUp ? this.#catchUp() : this.#verify()),
      isCurrent: () => this.isCurrent,
      onFailed: (cause) => {
        this.#onReadFailed(cause);
      },
    });
  }

  get address(): StreamAddress {
    return this.#address;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Changes when messages before a replay's position are no longer of this log, because of a purge or a reset. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether everything that was stored before has been delivered, except what is on its way. */
  get isCurrent(): boolean {
    return this.chain.isKnown && !this.#isCatchingUp && this.#verifiedAt >= this.#activatedAt;
  }

  /** Milliseconds since the end of the log was compared with the store. */
  get unverifiedFor(): number {
    return this.#context.clock.monotonic() - this.#verifiedAt;
  }

  receive(msg: Msg, plain: Message): void {
    const now = this.#context.clock.now();
    let arrival = readArrival(msg, plain, this.#address, now);
    if (arrival.movedTo !== undefined) {
      this.#moveTo(arrival.movedTo);
      arrival = readArrival(msg, plain, this.#address, now);
    }
    if (!this.#isCatchingUp) this.#accept(arrival);
    else this.#hold(arrival);
  }

  /** Continues in another stream of the same class. */
  #moveTo(stream: string): void {
    if (this.#address.stream !== "") {
      this.stream.markLost();
      this.#context.counts.resets += 1;
    }
    this.#address = { stream, subject: this.#address.subject };
    this.#forget();
  }

  #forget(): void {
    this.#epoch += 1;
    this.chain.clear();
    this.#proof = undefined;
  }

  #accept(arrival: Arrival): void {
    const { plain, stored } = arrival;
    if (stored === undefined || (!this.chain.isKnown && !stored.isComplete)) {
      this.#deliver(plain);
      return;
    }
    if (!this.chain.isKnown) {
      this.#append(stored.message);
      return;
    }
    const continuation = this.chain.classify(stored);
    if (continuation === "next") this.#append(stored.message);
    else if (continuation === "repeated") this.#context.counts.repeated += 1;
    else {
      if (stored.message.sequence > this.chain.sequence) this.#context.counts.gaps += 1;
      this.#held.push(arrival);
      // A comparison that is running ends without effect, and the missing messages are read next.
      this.#isCatchingUp = true;
      void this.check();
    }
  }

  #hold(arrival: Arrival): void {
    if (this.#held.push(arrival) || arrival.stored !== undefined) return;
    // Messages that are not stored could not be read later.
    this.#deliver(arrival.plain);
  }

  #append(message: NatsStoredMessage): void {
    const { messages } = this.stream.history;
    if (this.chain.isKnown) this.chain.append(message, messages);
    else this.chain.beginWith(message, messages);
    if (message.isMark) this.#epoch += 1;
    else this.#deliver(message);
  }

  /** Called when the server has confirmed the subscription, also after a reconnect: messages may have been missed before. */
  activate(): void {
    this.#activatedAt = this.#context.clock.monotonic();
    // After a reconnect the store is back soon, however long it was away.
    this.#reads.resetPause();
    void this.check();
  }

  /** Resolves when everything that was stored before has been delivered, or the log is closed. */
  becomeCurrent(): Promise<void> {
    return this.#reads.becomeCurrent();
  }

  /**
   * Finds the end of the log, or compares it with the store. Called when the subscription has become active, and now and then.
   */
  check(): Promise<void> {
    return this.#reads.check();
  }

  /** Compares the end of the log with what is stored from now on. @throws CarillonError unavailable */
  async compare(): Promise<void> {
    const began = this.#context.clock.monotonic();
    await this.check();
    // Repeats it, because a check that was running may have begun before.
    if (this.#verifiedAt < began) await this.check();
    if (this.#verifiedAt < began) throw new CarillonError("unavailable", "the end of the history cannot be compared");
  }

  #onReadFailed(cause: unknown): void {
    if (!(cause instanceof CarillonError))
      this.#context.onError(`reading the history of ${this.#topic} failed: ${errorText(cause)}`);
    // The stream may have been lost; if it was not, opening it is one request.
    this.stream.markLost();
    // Joins do not wait for it any longer.
    this.#hasMembers = true;
  }

  /** @throws CarillonError unavailable */
  async #verify(): Promise<void> {
    const { clock, fresh } = this.#context;
    const began = clock.monotonic();
    // Stored before the read, so that nothing can be between the anchor and an empty topic.
    const anchor = await this.stream.anchor();
    if (this.#address.stream !== this.stream.name) {
      this.#address = this.stream.addressOf(this.#topic);
      this.#forget();
    }
    const { address, chain } = this;
    const known = chain.newest?.sequence ?? 0;
    const newest = await fresh.last(address, this.stream.isReplicated ? "leader" : "any");
    if (newest !== undefined && this.#hasMembers) await this.#awaitArrival(newest);
    if (this.#isClosed || this.#isCatchingUp || address !== this.#address) return;
    if (newest === undefined && chain.newest === undefined) {
      chain.beginAfter(anchor, address);
    } else if (newest !== undefined && !chain.isKnown) {
      chain.beginWith(newest, this.stream.history.messages);
    } else if (newest === undefined || newest.sequence < known || !this.#hasDelivered(newest)) {
      const before = chain.newest;
      await this.#catchUp();
      // All messages have been removed, most often because of their age.
      if (newest === undefined && chain.newest === before) chain.beginAfter(anchor, address);
      return;
    }
    this.#proof = anchor;
    this.#verifiedAt = began;
  }

  /** Lets a recent message arrive by itself: those before it may be on their way too, and begin the log then. */
  async #awaitArrival({ storedAt }: NatsStoredMessage): Promise<void> {
    const { clock } = this.#context;
    if (Math.abs(clock.now() - storedAt) > RECENT) return;
    const until = clock.monotonic() + ARRIVAL_WAIT;
    while (!this.chain.isKnown && !this.#isClosed && clock.monotonic() < until) {
      await new Promise<void>((resolve) => {
        clock.after(ARRIVAL_PAUSE, resolve);
      });
    }
  }

  #hasDelivered(message: NatsStoredMessage): boolean {
    const { newest, sequence } = this.chain;
    const known = newest?.sequence === message.sequence ? newest : this.ring.find(message.sequence);
    return known === undefined ? message.sequence <= sequence && message.isMark : known.position === message.position;
  }

  /** Reads what follows the end of the log, until nothing waits. @throws CarillonError unavailable */
  async #catchUp(): Promise<void> {
    this.#isCatchingUp = true;
    for (;;) {
      const { address } = this;
      const began = this.#context.clock.monotonic();
      const count = this.#held.begin();
      const anchor = await this.stream.anchor();
      const { merged, missed } = await this.#readAndMerge(count);
      if (this.#isClosed) return;
      if (address !== this.#address) continue;
      this.#apply(missed, merged);
      if (missed.more) continue;
      this.#held.remove(count);
      if (!this.chain.isKnown || this.chain.newest === undefined) this.chain.beginAfter(anchor, address);
      this.#proof = anchor;
      this.#verifiedAt = began;
      if (this.#acceptHeld()) break;
    }
    this.#isCatchingUp = false;
  }

  async #readAndMerge(count: number): Promise<{ readonly missed: MissedMessages; readonly merged: MergedMessages }> {
    const { fresh } = this.#context;
    const request = {
      stream: this.stream,
      address: this.#address,
      chain: this.chain,
      ring: this.ring,
      proof: this.#proof,
    };
    const merge = (missed: MissedMessages): MergedMessages =>
      mergeMessages(
        missed.messages,
        missed.more ? [] : this.#held.first(count),
        missed.isReset ? (missed.common?.sequence ?? 0) : this.chain.sequence,
      );
    const missed = await readMissedMessages(fresh, request, "any");
    const merged = merge(missed);
    if (!merged.isIncomplete || !this.stream.isReplicated) return { missed, merged };
    // The replica that answered lags behind what has arrived.
    const fromLeader = await readMissedMessages(fresh, request, "leader");
    return { missed: fromLeader, merged: merge(fromLeader) };
  }

  #apply({ common, isReset, messages: read }: MissedMessages, merged: MergedMessages): void {
    const { counts } = this.#context;
    if (isReset) {
      counts.resets += 1;
      this.#forget();
      if (common !== undefined) this.chain.beginWith(common, this.stream.history.messages);
    }
    counts.gapMessages += read.length;
    counts.repeated += merged.repeated;
    for (const message of merged.messages) {
      if (message instanceof NatsStoredMessage) this.#append(message);
      else this.#deliver(message);
    }
  }

  /** Delivers the messages that arrived during the read, up to one that needs another read. @returns whether none is left */
  #acceptHeld(): boolean {
    for (let arrival = this.#held.oldest; arrival !== undefined; arrival = this.#held.oldest) {
      const { plain, stored } = arrival;
      const continuation = stored === undefined ? undefined : this.chain.classify(stored);
      if (continuation === "unclear") return false;
      this.#held.remove(1);
      if (stored === undefined) this.#deliver(plain);
      else if (continuation === "next") this.#append(stored.message);
      else this.#context.counts.repeated += 1;
    }
    return !this.#held.hasOverflowed;
  }

  /** Delivers what waits, and ends. */
  close(): void {
    this.#isClosed = true;
    this.#reads.stop();
    for (const { plain, stored } of this.#held.first(Number.POSITIVE_INFINITY)) {
      if (stored?.message.isMark !== true) this.#deliver(stored?.message ?? plain);
    }
    this.#held.clear();
    this.ring.reset(0);
  }
}
