import type { KV, KvEntry } from "nats";
import { ignore } from "../../util/ignore.js";

/** Milliseconds without an entry after which the server is asked whether all existing entries have arrived. */
const CHECK_WAIT = 500;

export interface FollowOptions {
  readonly kv: KV;
  /** Filter in NATS syntax, such as `a.b.>`. */
  readonly filter: string;
  readonly onEntry: (entry: KvEntry) => void;
  /** Called after the last existing entry. */
  readonly onComplete: () => void;
  /** Asks the server whether all existing entries have been passed to `onEntry`. */
  readonly isComplete: () => Promise<boolean>;
  /** Called when NATS ends the watch. */
  readonly onEnd: (error: unknown) => void;
}

/**
 * Calls `onEntry` for the latest entry of every key, including deletion markers, then for every new entry.
 * @returns a function that ends the watch
 * @throws errors of the library
 */
export async function followEntries(options: FollowOptions): Promise<() => void> {
  const { filter, kv, onComplete, onEnd, onEntry } = options;
  let reading = false;
  let initialized = false;
  let complete = false;
  let received = 0;
  let cancelCheck: (() => void) | undefined;
  const markComplete = (): void => {
    cancelCheck?.();
    if (!complete) onComplete();
    complete = true;
  };
  const watcher = await kv.watch({
    key: filter,
    // Called between existing and new entries, or, when all existing ones have arrived, before the first is read.
    initializedFn: () => {
      initialized = true;
      if (reading) markComplete();
    },
  });
  const read = async (): Promise<unknown> => {
    reading = true;
    let left = initialized ? watcher.getReceived() : Number.POSITIVE_INFINITY;
    if (left === 0) markComplete();
    for await (const entry of watcher) {
      onEntry(entry);
      received += 1;
      left -= 1;
      // Delta is the number of later entries at the time the server sent this one.
      if (left === 0 || entry.delta === 0) markComplete();
    }
    return undefined;
  };
  // Entries that are purged before the server has sent them never arrive. If they were the last, none is marked as the last.
  if (!complete) cancelCheck = checkRepeatedly(() => received, options.isComplete, markComplete);
  let ended = false;
  const end = (error: unknown): void => {
    cancelCheck?.();
    if (!ended) onEnd(error);
  };
  read().then(end, end);
  return () => {
    cancelCheck?.();
    ended = true;
    watcher.stop();
  };
}

/**
 * Asks whether everything has arrived whenever nothing has arrived for a while, until it has.
 * @returns a function that ends this
 */
function checkRepeatedly(count: () => number, isComplete: () => Promise<boolean>, onComplete: () => void): () => void {
  let before = -1;
  let ended = false;
  const timer = setInterval(() => {
    const received = count();
    if (received === before) {
      isComplete().then((complete) => {
        if (complete && !ended) onComplete();
      }, ignore);
    }
    before = received;
  }, CHECK_WAIT).unref();
  return () => {
    ended = true;
    clearInterval(timer);
  };
}
