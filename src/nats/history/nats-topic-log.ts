import type { PreparedReplay, ReplayLimits, ReplayStart, TopicLog } from "../../core/history.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import type { HistoryCounts } from "../../history/history-counts.js";
import { ignore } from "../../util/ignore.js";
import { errorText } from "../../util/native-error.js";
import { withResolvers } from "../../util/with-resolvers.js";
import type { LogSequencer } from "./log/log-sequencer.js";
import { createFailedReplay, prepareFromRing, prepareFromStore, type ReplayReaders } from "./prepare-replay.js";

/** Longest wait of a join until the log is current, and of a replay, in milliseconds. */
const SETTLE_WAIT = 2_000;
const REPLAY_WAIT = 5_000;

/** How long a replay repeats a failed read, such as while the connection to the store comes back, and the pause, in milliseconds. */
const RETRY_TIME = 2_000;
const RETRY_PAUSE = 100;

/** Number of other replays that a replay waits for. Then it reads by itself, so that invalid positions of others do not delay it. */
const MAX_WAITS = 4;

/** Objects that the logs of a broker's topics share. */
export interface TopicLogContext extends ReplayReaders {
  readonly clock: Clock;
  readonly counts: HistoryCounts;
  readonly isStopped: () => boolean;
  /** Called for errors that are bugs; for the log. */
  readonly onError: (message: string) => void;
}

/** Replays the log of a subscribed topic. */
export class NatsTopicLog implements TopicLog {
  readonly #context: TopicLogContext;
  readonly #sequencer: LogSequencer;
  /** The replay that reads the store. */
  #reading: Promise<void> | undefined;

  constructor(context: TopicLogContext, sequencer: LogSequencer) {
    this.#context = context;
    this.#sequencer = sequencer;
  }

  get position(): string | undefined {
    return this.#sequencer.chain.position;
  }

  settle(): Promise<void> | undefined {
    const { clock, isStopped } = this.#context;
    if (this.#sequencer.isCurrent || isStopped()) return undefined;
    return withTimeLimit(clock, SETTLE_WAIT, this.#sequencer.becomeCurrent());
  }

  async prepare(start: ReplayStart, limits: ReplayLimits): Promise<PreparedReplay> {
    const { clock, onError } = this.#context;
    try {
      const replay = await withTimeLimit(clock, REPLAY_WAIT, this.#prepare(start, limits));
      if (replay !== undefined) return replay;
    } catch (cause) {
      if (!(cause instanceof CarillonError)) onError(`preparing a replay failed: ${errorText(cause)}`);
    }
    return createFailedReplay(this.#sequencer, "unavailable");
  }

  async #prepare(start: ReplayStart, limits: ReplayLimits): Promise<PreparedReplay> {
    const { clock, counts } = this.#context;
    const log = this.#sequencer;
    if (this.#context.isStopped()) return createFailedReplay(log, "unavailable");
    if (!log.chain.isKnown || this.#isStale) await log.check();
    if (!log.chain.isKnown) return createFailedReplay(log, "unavailable");
    log.ring.expire(clock.now() - log.stream.history.age);
    // A replay waits for others that read the store, because it often finds what it needs in the ring afterwards.
    for (let waits = 0; ; waits += 1) {
      const fromRing = prepareFromRing(log, start, limits);
      if (fromRing !== undefined) {
        counts.replays.ring += 1;
        return fromRing;
      }
      if (this.#reading === undefined || waits === MAX_WAITS) break;
      await this.#reading;
    }
    counts.replays.store += 1;
    const replay = this.#readStore(start, limits);
    const reading = replay.then(ignore, ignore).finally(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
    this.#reading = reading;
    return replay;
  }

  /** @throws CarillonError unavailable */
  async #readStore(start: ReplayStart, limits: ReplayLimits): Promise<PreparedReplay> {
    const { clock, isStopped } = this.#context;
    const until = clock.monotonic() + RETRY_TIME;
    for (;;) {
      try {
        return await prepareFromStore(this.#context, this.#sequencer, start, limits);
      } catch (cause) {
        if (isStopped() || this.#sequencer.isClosed || clock.monotonic() > until) throw cause;
      }
      await new Promise<void>((resolve) => {
        clock.after(RETRY_PAUSE, resolve);
      });
    }
  }

  /** Whether the end of the log may expire soon, so that its position would be of little use. */
  get #isStale(): boolean {
    const { chain, stream, unverifiedFor } = this.#sequencer;
    const { age } = stream.history;
    if (unverifiedFor < age / 8) return false;
    return chain.newest === undefined || chain.newest.storedAt < this.#context.clock.now() - age / 2;
  }
}

/** Waits for a result. @returns undefined when it takes longer than `milliseconds` @throws whatever `result` rejects with */
async function withTimeLimit<T>(clock: Clock, milliseconds: number, result: Promise<T>): Promise<T | undefined> {
  const late = withResolvers<undefined>();
  const cancel = clock.after(milliseconds, () => {
    late.resolve(undefined);
  });
  try {
    return await Promise.race([result, late.promise]);
  } finally {
    cancel();
  }
}
