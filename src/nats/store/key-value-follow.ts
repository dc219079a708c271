import type { KV, KvEntry } from "nats";

export interface FollowOptions {
  readonly kv: KV;
  /** As of NATS: `a.b.>` */
  readonly filter: string;
  readonly onEntry: (entry: KvEntry) => void;
  /** The entries that were there have all been told. */
  readonly onComplete: () => void;
  /** It does not go on, and not because it was ended. */
  readonly onEnd: (error: unknown) => void;
}

/**
 * Tells the latest entry of every key, marks of deletions included, and then every new one.
 * @returns ends it
 * @throws what the library throws
 */
export async function follow({ filter, kv, onComplete, onEnd, onEntry }: FollowOptions): Promise<() => void> {
  let reading = false;
  let initialized = false;
  let complete = false;
  const beComplete = (): void => {
    if (!complete) onComplete();
    complete = true;
  };
  const watcher = await kv.watch({
    key: filter,
    // Comes in its place among the entries, or, where all had arrived by then, before the first has been read.
    initializedFn: () => {
      initialized = true;
      if (reading) beComplete();
    },
  });
  const read = async (): Promise<unknown> => {
    reading = true;
    let left = initialized ? watcher.getReceived() : Number.POSITIVE_INFINITY;
    if (left === 0) beComplete();
    for await (const entry of watcher) {
      onEntry(entry);
      left -= 1;
      // Delta is how many there were after this one when the server sent it.
      if (left === 0 || entry.delta === 0) beComplete();
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
