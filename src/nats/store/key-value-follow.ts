import type { KV, KvEntry } from "nats";
import { ignore } from "../../util/ignore.js";

export interface FollowOptions {
  /** Filter in NATS syntax, such as `a.b.>`. */
  readonly filter: string;
  readonly onEntry: (entry: KvEntry) => void;
  /** Called after the last existing entry. */
  readonly onComplete: () => void;
  /** Called when NATS ends the watch. */
  readonly onEnd: (error: unknown) => void;
}

/** Bucket that is followed. */
export interface FollowedBucket {
  readonly kv: KV;
  /** Milliseconds without an entry after which the server is asked for the last revision. */
  readonly silence: number;
  /** Asks the server for the revision of the last entry that matches a filter; 0 for none. */
  findLastRevision(filter: string): Promise<number>;
}

/**
 * Calls `onEntry` for the latest entry of every key by their revisions, including deletion markers, then for every new entry.
 * @returns a function that ends the watch
 * @throws errors of the library
 */
export async function followEntries(
  bucket: FollowedBucket,
  { filter, onComplete, onEnd, onEntry }: FollowOptions,
): Promise<() => void> {
  let reading = false;
  let initialized = false;
  let complete = false;
  let ended = false;
  let lastRevision = 0;
  const markComplete = (): void => {
    clearInterval(timer);
    if (!complete) onComplete();
    complete = true;
  };
  const watcher = await bucket.kv.watch({
    key: filter,
    // Called between existing and new entries, or, when all existing ones have arrived, before the first is read.
    initializedFn: () => {
      initialized = true;
      if (reading) markComplete();
    },
  });
  // Entries that are purged before the server has sent them never arrive. If they were the last, none is marked as the last.
  const ask = async (): Promise<void> => {
    const last = await bucket.findLastRevision(filter);
    if (last <= lastRevision && !ended) markComplete();
  };
  const timer = everySilence(bucket.silence, () => lastRevision, ask);
  const read = async (): Promise<unknown> => {
    reading = true;
    let left = initialized ? watcher.getReceived() : Number.POSITIVE_INFINITY;
    if (left === 0) markComplete();
    for await (const entry of watcher) {
      onEntry(entry);
      lastRevision = entry.revision;
      left -= 1;
      // Delta is the number of later entries at the time the server sent this one.
      if (left === 0 || entry.delta === 0) markComplete();
    }
    return undefined;
  };
  const end = (error: unknown): void => {
    clearInterval(timer);
    if (!ended) onEnd(error);
  };
  read().then(end, end);
  return () => {
    ended = true;
    clearInterval(timer);
    watcher.stop();
  };
}

/** Asks whenever nothing has arrived for some milliseconds, once at a time. A question that fails is repeated. */
function everySilence(milliseconds: number, arrived: () => number, ask: () => Promise<void>): NodeJS.Timeout {
  let before = 0;
  let isAsking = false;
  return setInterval(() => {
    const now = arrived();
    const isSilent = now === before;
    before = now;
    if (!isSilent || isAsking) return;
    isAsking = true;
    ask()
      .catch(ignore)
      .finally(() => {
        isAsking = false;
      });
  }, milliseconds).unref();
}
