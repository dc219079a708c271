import { CarillonError } from "../../src/errors.js";
import { MemoryStore } from "../../src/store/memory.js";
import type { StoreChange } from "../../src/store/store.js";
import { RecordFeed } from "../../src/vhosts/record-feed.js";
import { cleanUp } from "../support/clean-up.js";
import { ManualClock } from "../support/manual-clock.js";

interface TestFeed {
  readonly store: MemoryStore;
  readonly feed: RecordFeed;
  /** Entries as reported to the handler. */
  readonly taken: Map<string, string>;
  readonly clock: ManualClock;
  readonly errors: string[];
}

function createFeed(onRead: () => Promise<void> = () => Promise.resolve()): TestFeed {
  const clock = new ManualClock();
  const errors: string[] = [];
  const onError = (message: string): void => {
    errors.push(message);
  };
  const store = new MemoryStore({ clock, onError });
  const taken = new Map<string, string>();
  const handler = ({ key, value }: StoreChange): void => {
    if (value === undefined) taken.delete(key);
    else taken.set(key, value);
  };
  const feed = new RecordFeed({ store, clock, handlers: new Map([["a/", handler]]), onRead, onError });
  cleanUp(() => feed.stop());
  return { store, feed, taken, clock, errors };
}

test("applies a change at once, and ignores the store's report of it", async () => {
  const { feed, store, taken } = createFeed();
  await feed.start();
  await feed.change({ key: "a/1", value: "one" }, () => store.create("a/1", "one"));
  expect(taken).toEqual(new Map([["a/1", "one"]]));
});

test("keeps a concurrent change of another node", async () => {
  const { feed, store, taken } = createFeed();
  await feed.start();
  await feed.change({ key: "a/1", value: "one" }, async () => {
    await store.create("a/1", "one");
    await store.delete("a/1");
  });
  expect([await store.get("a/1"), taken]).toEqual([undefined, new Map()]);
});

test("does not apply a change whose write fails", async () => {
  const { feed, store, taken } = createFeed();
  await feed.start();
  await store.create("a/1", "one");
  const refused = feed.change({ key: "a/1", value: "two" }, () => store.create("a/1", "two"));
  await expect(refused).rejects.toMatchObject({ code: "already_exists" });
  expect(taken).toEqual(new Map([["a/1", "one"]]));
});

test("retries a failed read, and notices entries deleted meanwhile", async () => {
  let fails = true;
  const { clock, feed, store, taken } = createFeed(() => {
    return fails ? Promise.reject(new CarillonError("unavailable", "away")) : Promise.resolve();
  });
  await store.create("a/1", "one");
  await feed.start();
  expect([feed.read, taken.size]).toEqual([false, 1]);
  await store.delete("a/1");
  fails = false;
  clock.advance(1_000);
  await store.get("a/1");
  expect([feed.read, taken.size]).toEqual([true, 0]);
});
