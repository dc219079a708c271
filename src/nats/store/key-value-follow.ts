import type { KV, KvEntry } from "nats";

export interface FollowOptions {
  readonly kv: KV;
  /** Filter in NATS syntax, such as `a.b.>`. */
  readonly filter: string;
  readonly onEntry: (entry: KvEntry) => void;
  /** Called after the last existing entry. */
  readonly onComplete: () => void;
  /** Called when NATS ends the watch. */
  readonly onEnd: (error: unknown) => void;
}

/**
 * Calls `onEntry` for the latest entry of every key, including deletion markers, then for every new entry.
 * @returns a function that ends the watch
 * @throws errors of the library
 */
export async function followEntries({ filter, kv, onComplete, onEnd, onEntry }: FollowOptions): Promise<() => void> {
  let reading = false;
  let initialized = false;
  let complete = false;
  const markComplete = (): void => {
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
      left -= 1;
      // Delta is the number of later entries at the time the server sent this one.
      if (left === 0 || entry.delta === 0) markComplete();
    }
    return undefined;
  };
  let ended = false;
  const end = (error: unknown): void => {
    if (!ended) onEnd(error);
  };
  read().then(end, end);
  return () => {
    ended = true;
    watcher.stop();
  };
}
