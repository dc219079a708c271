import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../../src/core/ports.js";
import { ConfirmationRounds } from "../../../src/nats/link/confirmation-rounds.js";
import { withResolvers } from "../../../src/util/with-resolvers.js";

/** A clock whose timers fire only when the test says so. */
class Timers implements Clock {
  readonly waiting = new Map<number, () => void>();
  #count = 0;

  now(): number {
    return 0;
  }

  monotonic(): number {
    return 0;
  }

  after(_milliseconds: number, run: () => void): () => void {
    this.#count += 1;
    const id = this.#count;
    this.waiting.set(id, run);
    return () => this.waiting.delete(id);
  }

  expireAll(): void {
    const all = [...this.waiting.values()];
    this.waiting.clear();
    for (const run of all) run();
  }
}

function setUp() {
  const pings: { resolve: (value: undefined) => void; reject: (cause: unknown) => void }[] = [];
  const clock = new Timers();
  const rounds = new ConfirmationRounds({
    ping: async () => {
      const { promise, reject, resolve } = withResolvers<undefined>();
      pings.push({ resolve, reject });
      await promise;
    },
    clock,
    timeout: 100,
    broker: "nats",
  });
  /** Answers the oldest ping, as the server would. */
  const answer = async (): Promise<void> => {
    pings.shift()?.resolve(undefined);
    await nextTurn();
    await nextTurn();
  };
  return { rounds, pings, clock, answer };
}

test("N5: shares the next round among all callers that arrive while one is in flight", async () => {
  const { answer, pings, rounds } = setUp();
  const first = rounds.confirm(1);
  await nextTurn();
  const others = Array.from({ length: 100 }, () => rounds.confirm(1));
  await nextTurn();
  expect(pings).toHaveLength(1);

  await answer();
  await first;
  expect(pings).toHaveLength(1);
  expect(rounds.unconfirmedBytes).toBe(100);
  await answer();
  await Promise.all(others);

  expect(pings).toHaveLength(0);
  expect(rounds.unconfirmedBytes).toBe(0);
});

test("O2: does not confirm a caller with a round that began earlier", async () => {
  const { answer, rounds } = setUp();
  const done: string[] = [];
  const first = rounds.confirm(0).then(() => done.push("first"));
  await nextTurn();
  const second = rounds.confirm(0).then(() => done.push("second"));

  await answer();
  await first;
  await nextTurn();
  expect(done).toEqual(["first"]);
  await answer();
  await second;
});

test("O6: counts bytes until the server has answered, also after their callers have timed out", async () => {
  const { answer, clock, pings, rounds } = setUp();
  const flying = rounds.confirm(10);
  await nextTurn();
  const next = rounds.confirm(5);

  clock.expireAll();

  const late = { code: "unavailable", message: expect.stringContaining('broker "nats" did not confirm within 100 ms') };
  await expect(flying).rejects.toMatchObject(late);
  await expect(next).rejects.toMatchObject(late);
  expect(rounds.unconfirmedBytes).toBe(15);

  const after = rounds.confirm(1);
  expect(rounds.unconfirmedBytes).toBe(16);
  await answer();
  expect(rounds.unconfirmedBytes).toBe(6);
  await answer();
  await after;
  expect(rounds.unconfirmedBytes).toBe(0);
  expect(pings).toHaveLength(0);
  expect(clock.waiting.size).toBe(0);
});

test("O6: confirms bytes whose callers have timed out", async () => {
  const { answer, clock, rounds } = setUp();
  const all = [rounds.confirm(10)];
  await nextTurn();
  all.push(rounds.confirm(5));
  clock.expireAll();
  await Promise.allSettled(all);

  await answer();
  await answer();

  expect(rounds.unconfirmedBytes).toBe(0);
});

test("E12: rejects all callers at once when the connection is lost, and resets the counts", async () => {
  const { clock, pings, rounds } = setUp();
  const flying = rounds.confirm(10);
  await nextTurn();
  const next = rounds.confirm(5);

  rounds.fail();

  const lost = {
    code: "unavailable",
    message: 'the connection to broker "nats" was lost before it confirmed: the outcome is unknown',
  };
  await expect(flying).rejects.toMatchObject(lost);
  await expect(next).rejects.toMatchObject(lost);
  expect(rounds.unconfirmedBytes).toBe(0);
  expect(clock.waiting.size).toBe(0);
  // An answer of the lost connection confirms nothing.
  const after = rounds.confirm(1);
  await nextTurn();
  expect(pings).toHaveLength(2);
  pings.shift()?.resolve(undefined);
  await nextTurn();
  await nextTurn();
  expect(rounds.unconfirmedBytes).toBe(1);
  pings.shift()?.resolve(undefined);
  await after;
});

test("E12: rejects its round and the next when a ping fails", async () => {
  const { pings, rounds } = setUp();
  const flying = rounds.confirm(10);
  await nextTurn();
  const next = rounds.confirm(5);

  pings.shift()?.reject(new Error("disconnected"));

  await expect(flying).rejects.toMatchObject({ code: "unavailable" });
  await expect(next).rejects.toMatchObject({ code: "unavailable" });
});

test("E14: records a refusal in the round in flight and the next, but not in later ones", async () => {
  const { answer, rounds } = setUp();
  const flying = rounds.confirm(1);
  await nextTurn();
  const next = rounds.confirm(1);

  rounds.refuse("s");
  await answer();
  await answer();
  const later = rounds.confirm(1);
  await nextTurn();
  await answer();

  expect([...(await flying).refusedSubjects]).toEqual(["s"]);
  expect([...(await next).refusedSubjects]).toEqual(["s"]);
  expect([...(await later).refusedSubjects]).toEqual([]);
});
