import type { Store, StoreChange, StoreEntry } from "../../src/store/store.js";
import type { ManualClock } from "../support/manual-clock.js";
import { Queue } from "../support/queue.js";

/** Creates two started stores that share their entries, or one store twice where the driver is not shared. */
export type SetUp = () => Promise<{
  readonly stores: readonly [Store, Store];
  readonly clock: ManualClock;
}>;

const SECOND = 1_000;
const LARGEST = 64 << 10;

function keysOf(entries: readonly StoreEntry[]): string[] {
  return entries.map(({ key }) => key);
}

function outcomesOf(settled: readonly PromiseSettledResult<unknown>[]): string[] {
  return settled.map((outcome) =>
    outcome.status === "fulfilled" ? "done" : String((outcome.reason as { code?: unknown }).code),
  );
}

/** Tests the contract of store/store.ts, which every driver fulfils. */
export function storeContract(driver: string, setUp: SetUp): void {
  describe(`store contract: ${driver}`, () => {
    let one: Store;
    let other: Store;
    let clock: ManualClock;

    beforeEach(async () => {
      ({
        stores: [one, other],
        clock,
      } = await setUp());
    });

    async function watch(prefix: string, store = one): Promise<{ changes: Queue<StoreChange>; end: () => void }> {
      const changes = new Queue<StoreChange>();
      const end = await store.watch(prefix, (change) => {
        changes.push(change);
      });
      return { changes, end };
    }

    test("is up after start", () => {
      expect([one.up, other.up]).toEqual([true, true]);
    });

    test("reads a created entry on every node", async () => {
      const revision = await one.create("keys/_/3fa9", "välue\n with lines");

      const expected = { key: "keys/_/3fa9", value: "välue\n with lines", revision };
      expect(await one.get("keys/_/3fa9")).toEqual(expected);
      expect(await other.get("keys/_/3fa9")).toEqual(expected);
      expect(await one.get("keys/_/3fa")).toBeUndefined();
    });

    test("keeps an empty value", async () => {
      const revision = await one.create("empty", "");
      expect(await other.get("empty")).toEqual({ key: "empty", value: "", revision });
    });

    test("rejects a create, and changes nothing, when the key exists", async () => {
      await one.create("a", "first");
      await expect(other.create("a", "second")).rejects.toMatchObject({ code: "already_exists" });
      expect(await one.get("a")).toMatchObject({ value: "first" });
    });

    test("lets exactly one of many concurrent creates of a key succeed, with its value", async () => {
      for (let round = 0; round < 20; round += 1) {
        const key = `tokens/${round}`;
        const attempts = Array.from({ length: 10 }, (_, position) => String(position));
        const settled = await Promise.allSettled(
          attempts.map((value, position) => (position % 2 === 0 ? one : other).create(key, value)),
        );

        const outcomes = outcomesOf(settled);
        expect(outcomes.toSorted()).toEqual([...Array.from({ length: 9 }, () => "already_exists"), "done"]);
        expect(await one.get(key)).toMatchObject({ value: attempts[outcomes.indexOf("done")] });
      }
    });

    test("increases the revision with an update", async () => {
      const first = await one.create("a", "1");
      const second = await other.update("a", "2", first);

      expect(second).toBeGreaterThan(first);
      expect(await one.get("a")).toEqual({ key: "a", value: "2", revision: second });
    });

    test("rejects an update, and changes nothing, when the revision is outdated or the entry is missing", async () => {
      const first = await one.create("a", "1");
      await one.update("a", "2", first);

      await expect(other.update("a", "3", first)).rejects.toMatchObject({ code: "failed_precondition" });
      await expect(other.update("b", "3", first)).rejects.toMatchObject({ code: "failed_precondition" });
      await expect(other.update("b", "3", 0)).rejects.toMatchObject({ code: "failed_precondition" });
      expect(await one.get("a")).toMatchObject({ value: "2" });
      expect(await one.get("b")).toBeUndefined();
    });

    test("lets exactly one of many concurrent updates of a revision succeed", async () => {
      const first = await one.create("a", "1");
      const settled = await Promise.allSettled(
        Array.from({ length: 10 }, (_, position) =>
          (position % 2 === 0 ? one : other).update("a", `${position}`, first),
        ),
      );
      const outcomes = outcomesOf(settled);
      expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
      expect(await one.get("a")).toMatchObject({ value: String(outcomes.indexOf("done")) });
    });

    test("lets exactly one of a concurrent delete and update of a revision succeed", async () => {
      for (let round = 0; round < 10; round += 1) {
        const revision = await one.create(`a/${round}`, "1");
        const settled = await Promise.allSettled([
          one.delete(`a/${round}`, revision),
          other.update(`a/${round}`, "2", revision),
          one.delete(`a/${round}`, revision),
        ]);
        const outcomes = outcomesOf(settled);
        expect(outcomes.toSorted()).toEqual(["done", "failed_precondition", "failed_precondition"]);
        expect((await one.get(`a/${round}`))?.value).toBe(outcomes[1] === "done" ? "2" : undefined);
      }
    });

    test("deletes an entry of any revision, and accepts a repeated delete", async () => {
      await one.create("a", "1");
      await other.delete("a");
      expect(await one.get("a")).toBeUndefined();
      expect(await one.list("")).toEqual([]);
      await one.delete("a");
      await one.delete("never");
    });

    test("rejects a delete, and changes nothing, when the revision is outdated or the entry is missing", async () => {
      const first = await one.create("a", "1");
      const second = await one.update("a", "2", first);

      await expect(other.delete("a", first)).rejects.toMatchObject({ code: "failed_precondition" });
      expect(await one.get("a")).toMatchObject({ value: "2" });
      await other.delete("a", second);
      await expect(other.delete("a", second)).rejects.toMatchObject({ code: "failed_precondition" });
      await expect(other.delete("never", second)).rejects.toMatchObject({ code: "failed_precondition" });
    });

    test("creates a deleted key again, once, with a greater revision", async () => {
      const first = await one.create("a", "1");
      await one.delete("a");

      const settled = await Promise.allSettled([one.create("a", "2"), other.create("a", "2"), one.create("a", "2")]);

      expect(outcomesOf(settled).toSorted()).toEqual(["already_exists", "already_exists", "done"]);
      const entry = await other.get("a");
      expect(entry?.revision).toBeGreaterThan(first);
      await expect(one.update("a", "3", first)).rejects.toMatchObject({ code: "failed_precondition" });
    });

    test("lists the entries with a prefix, ordered by key", async () => {
      for (const key of ["keys/b", "keys/a/z", "keys/a", "keysx", "other/a", "keys/a=1", "Keys/a", "keys/a-1"]) {
        await one.create(key, `of ${key}`);
      }

      expect(keysOf(await other.list("keys/"))).toEqual(["keys/a", "keys/a-1", "keys/a/z", "keys/a=1", "keys/b"]);
      expect(keysOf(await other.list("keys/a/"))).toEqual(["keys/a/z"]);
      expect(keysOf(await other.list("keys/a"))).toEqual(["keys/a", "keys/a-1", "keys/a/z", "keys/a=1"]);
      expect(keysOf(await other.list("key"))).toEqual([
        "keys/a",
        "keys/a-1",
        "keys/a/z",
        "keys/a=1",
        "keys/b",
        "keysx",
      ]);
      expect(await other.list("")).toHaveLength(8);
      expect(await other.list("none/")).toEqual([]);
      expect(await other.list("other")).toEqual([await one.get("other/a")]);
    });

    test("accepts values of up to 64 KiB and rejects larger ones", async () => {
      const largest = "ü".repeat(LARGEST / 2);
      const revision = await one.create("large", largest);
      expect(await other.get("large")).toMatchObject({ value: largest });

      const error = await one.update("large", `${largest}x`, revision).catch((cause: unknown) => cause);
      expect(error).toMatchObject({
        code: "invalid_argument",
        message: expect.stringMatching(/value too large for store entry large: 65537 bytes/),
      });
      expect(await other.get("large")).toMatchObject({ revision });
    });

    test.each(["", "/", "a/", "/a", "a//b", "a.b", "a b", "a*", ">", "a/../b", "ä", "a\n"])(
      "rejects a malformed key: %j",
      async (key) => {
        const refused = { code: "invalid_argument" };
        await expect(one.get(key)).rejects.toMatchObject(refused);
        await expect(one.create(key, "")).rejects.toMatchObject(refused);
        await expect(one.update(key, "", 1)).rejects.toMatchObject(refused);
        await expect(one.delete(key)).rejects.toMatchObject(refused);
        expect(await one.list("")).toEqual([]);
      },
    );

    test.each(["/", "a//", "a.b", "*", "a/>", "ä"])("rejects a malformed prefix: %j", async (prefix) => {
      await expect(one.list(prefix)).rejects.toMatchObject({ code: "invalid_argument" });
      await expect(one.watch(prefix, () => {})).rejects.toMatchObject({ code: "invalid_argument" });
    });

    test("rejects a key of more than 1,024 characters", async () => {
      const key = `a/${"x".repeat(1_022)}`;
      await one.create(key, "1");
      await expect(one.create(`${key}x`, "1")).rejects.toMatchObject({ code: "invalid_argument" });
      expect(keysOf(await other.list("a/"))).toEqual([key]);
    });

    test("reports existing entries before a watch resolves, then changes and removals in order", async () => {
      await one.create("w/a", "1");
      await one.create("w/b", "1");
      await one.create("w/gone", "1");
      await one.delete("w/gone");
      await one.create("x", "1");

      const { changes } = await watch("w/");
      expect([...changes.unread].toSorted((a, b) => (a.key < b.key ? -1 : 1))).toEqual([
        { key: "w/a", value: "1" },
        { key: "w/b", value: "1" },
      ]);
      await changes.next();
      await changes.next();

      const { revision = 0 } = (await one.get("w/a")) ?? {};
      await one.update("w/a", "2", revision);
      await other.delete("w/b");
      await other.create("x2", "1");
      await other.create("w/c", "1");
      await one.delete("w/c");
      await one.create("w/b", "2");

      const received = [
        await changes.next(),
        await changes.next(),
        await changes.next(),
        await changes.next(),
        await changes.next(),
      ];
      expect(received).toEqual([
        { key: "w/a", value: "2" },
        { key: "w/b", value: undefined },
        { key: "w/c", value: "1" },
        { key: "w/c", value: undefined },
        { key: "w/b", value: "2" },
      ]);
      expect(changes.unread).toEqual([]);
    });

    test("watches a part of a segment, and all entries", async () => {
      const part = await watch("w/ab");
      const all = await watch("", other);
      await one.create("w/aa", "1");
      await one.create("w/abc", "1");
      await one.create("z", "1");

      expect(await part.changes.next()).toEqual({ key: "w/abc", value: "1" });
      expect(
        [await all.changes.next(), await all.changes.next(), await all.changes.next()].map(({ key }) => key),
      ).toEqual(["w/aa", "w/abc", "z"]);
      expect(part.changes.unread).toEqual([]);
    });

    test("reports nothing to an ended watch, and continues for others", async () => {
      const { changes, end } = await watch("w/");
      const remaining = await watch("w/");
      end();
      end();
      await other.create("w/a", "1");
      expect(await remaining.changes.next()).toEqual({ key: "w/a", value: "1" });
      expect(changes.unread).toEqual([]);
    });

    test("continues for other watchers when a watcher throws", async () => {
      await one.watch("", () => {
        throw new Error("a fault of the watcher");
      });
      const { changes } = await watch("");
      await one.create("a", "1");
      await other.create("b", "1");
      expect([await changes.next(), await changes.next()].map(({ key }) => key)).toEqual(["a", "b"]);
    });

    describe("expiry", () => {
      test("hides an expired entry from every operation", async () => {
        const revision = await one.create("t/a", "1", { expires: clock.now() + 10 * SECOND });
        await one.create("t/b", "1");
        clock.advance(9_999);
        expect(keysOf(await other.list("t/"))).toEqual(["t/a", "t/b"]);
        expect(await other.get("t/a")).toMatchObject({ value: "1", revision });

        clock.advance(1);
        expect(await other.get("t/a")).toBeUndefined();
        expect(keysOf(await other.list("t/"))).toEqual(["t/b"]);
        await expect(one.update("t/a", "2", revision)).rejects.toMatchObject({ code: "failed_precondition" });
        await expect(one.delete("t/a", revision)).rejects.toMatchObject({ code: "failed_precondition" });
        await one.delete("t/a");
        const { changes } = await watch("t/", other);
        expect(changes.unread).toEqual([{ key: "t/b", value: "1" }]);
      });

      test("lets exactly one of many concurrent creates of an expired key succeed", async () => {
        for (let round = 0; round < 10; round += 1) {
          const first = await one.create(`t/${round}`, "old", { expires: clock.now() + SECOND });
          clock.advance(SECOND);
          const settled = await Promise.allSettled(
            Array.from({ length: 8 }, (_, position) =>
              (position % 2 === 0 ? one : other).create(`t/${round}`, String(position)),
            ),
          );
          const outcomes = outcomesOf(settled);
          expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
          expect(outcomes.filter((outcome) => outcome === "already_exists")).toHaveLength(7);
          const entry = await other.get(`t/${round}`);
          expect(entry).toMatchObject({ value: String(outcomes.indexOf("done")) });
          expect(entry?.revision).toBeGreaterThan(first);
        }
      });

      test("replaces or removes the expiry with an update", async () => {
        const expires = clock.now() + SECOND;
        const a = await one.create("t/a", "1", { expires });
        const b = await one.create("t/b", "1", { expires });
        await one.update("t/a", "2", a, { expires: expires + SECOND });
        await other.update("t/b", "2", b);

        clock.advance(SECOND);
        expect(keysOf(await other.list("t/"))).toEqual(["t/a", "t/b"]);
        clock.advance(SECOND);
        expect(keysOf(await other.list("t/"))).toEqual(["t/b"]);
        clock.sleep(30 * 24 * 3_600 * SECOND);
        expect(keysOf(await other.list("t/"))).toEqual(["t/b"]);
      });

      test("reports an expiry to watches", async () => {
        const { changes } = await watch("t/", other);
        await one.create("t/long", "1", { expires: clock.now() + 40 * 24 * 3_600 * SECOND });
        await one.create("t/a", "1", { expires: clock.now() + 10 * SECOND });
        await one.create("t/b", "1", { expires: clock.now() + 5 * SECOND });
        expect([await changes.next(), await changes.next(), await changes.next()].map(({ key }) => key)).toEqual([
          "t/long",
          "t/a",
          "t/b",
        ]);

        clock.advance(6 * SECOND);
        expect(await changes.next()).toEqual({ key: "t/b", value: undefined });
        clock.advance(5 * SECOND);
        expect(await changes.next()).toEqual({ key: "t/a", value: undefined });
        expect(changes.unread).toEqual([]);
        clock.sleep(40 * 24 * 3_600 * SECOND);
        expect(await changes.next()).toEqual({ key: "t/long", value: undefined });
      });
    });

    test("rejects every operation as unavailable after stop, and accepts a second stop", async () => {
      await one.create("a", "1");
      await one.stop();
      await one.stop();

      const refused = { code: "unavailable" };
      expect(one.up).toBe(false);
      await expect(one.get("a")).rejects.toMatchObject(refused);
      await expect(one.list("")).rejects.toMatchObject(refused);
      await expect(one.create("b", "1")).rejects.toMatchObject(refused);
      await expect(one.update("a", "1", 1)).rejects.toMatchObject(refused);
      await expect(one.delete("a")).rejects.toMatchObject(refused);
      await expect(one.watch("", () => {})).rejects.toMatchObject(refused);
    });
  });
}
