import { ConnectionLimits } from "../../../src/clients/limits/connection-limits.js";
import { KeyedCounts } from "../../../src/clients/limits/keyed-counts.js";
import { KeyedRates } from "../../../src/clients/limits/keyed-rates.js";
import { RateLimited } from "../../../src/clients/limits/rate-limited.js";
import { TokenBucket } from "../../../src/clients/limits/token-bucket.js";
import { ManualClock } from "../../support/manual-clock.js";

/** Number of successful attempts. */
function successes(attempts: number, attempt: () => boolean): number {
  return Array.from({ length: attempts }, attempt).filter(Boolean).length;
}

function outcomeOf(attempt: () => unknown): string {
  try {
    attempt();
    return "ok";
  } catch (error) {
    return error instanceof RateLimited ? `retry in ${error.retryAfter} s` : (error as { code: string }).code;
  }
}

describe("token bucket", () => {
  test("A11: admits a second's worth at once, and then at the rate", () => {
    const clock = new ManualClock();
    const bucket = new TokenBucket(10, clock);
    expect(successes(20, () => bucket.take())).toBe(10);
    clock.advance(99);
    expect(bucket.take()).toBe(false);
    expect(bucket.wait()).toBe(1);
    clock.advance(1);
    expect([bucket.take(), bucket.take()]).toEqual([true, false]);
    clock.advance(3_600_000);
    expect(successes(20, () => bucket.take())).toBe(10);
  });

  test("A11: admits no more than the rate over a long time, whatever the order of requests", () => {
    const clock = new ManualClock();
    const bucket = new TokenBucket(7, clock);
    let passed = 0;
    for (let step = 0; step < 10_000; step += 1) {
      clock.advance(step % 13);
      if (bucket.take()) passed += 1;
    }
    expect(passed).toBeLessThanOrEqual(7 + (clock.now() * 7) / 1_000);
    expect(passed).toBeGreaterThanOrEqual((clock.now() * 7) / 1_000 - 1);
  });

  test("A11: admits an amount above a second's worth when the bucket is full, and charges it to later ones", () => {
    const clock = new ManualClock();
    const bucket = new TokenBucket(100, clock);
    expect([bucket.take(50), bucket.take(350)]).toEqual([true, false]);
    clock.advance(500);
    expect(bucket.take(350)).toBe(true);
    clock.advance(2_500);
    expect([bucket.take(1), bucket.wait(1), bucket.wait(350)]).toEqual([false, 10, 1_000]);
    clock.advance(10);
    expect(bucket.take(1)).toBe(true);
  });

  test("A11: admits nothing more when the wall clock is set", () => {
    const clock = new ManualClock();
    const bucket = new TokenBucket(1, clock);
    expect(bucket.take()).toBe(true);
    clock.set(-10_000);
    expect(bucket.take()).toBe(false);
    clock.set(60_000);
    expect(bucket.take()).toBe(false);
    clock.advance(1_000);
    expect([bucket.take(), bucket.take()]).toEqual([true, false]);
  });
});

test("A11: keeps counts within their limit, and drops keys with a count of zero", () => {
  const counts = new KeyedCounts();
  expect(successes(5, () => counts.acquire("a", 3))).toBe(3);
  expect(counts.acquire("b", 1)).toBe(true);
  expect([counts.of("a"), counts.of("b"), counts.of("c"), counts.size]).toEqual([3, 1, 0, 2]);
  for (let round = 0; round < 3; round += 1) counts.release("a");
  counts.release("b");
  expect(counts.size).toBe(0);
  expect(counts.acquire("c", 0)).toBe(false);
});

test("A11: limits rates by key within bounded memory", () => {
  const clock = new ManualClock();
  const rates = new KeyedRates(2, clock, 100);
  for (let key = 0; key < 1_000; key += 1) expect(rates.take(String(key))).toBe(0);
  expect(rates.size).toBe(100);
  // A key that is used again and again is kept among many others.
  const waits = Array.from({ length: 500 }, (_, other) => {
    rates.take(`other ${other}`);
    return rates.take("greedy");
  });
  expect(waits.filter((wait) => wait === 0)).toHaveLength(2);
  expect(waits.at(-1)).toBe(500);
  clock.advance(500);
  expect(rates.take("greedy")).toBe(0);
});

describe("connection limits", () => {
  test("A11: admits every connection without limits", () => {
    const limits = new ConnectionLimits({}, new ManualClock());
    expect(outcomeOf(() => Array.from({ length: 1_000 }, () => limits.acquire("192.0.2.1").setUser("ann")))).toBe("ok");
  });

  test("A11: frees a slot once when it is released", () => {
    const limits = new ConnectionLimits({ connections: 2 }, new ManualClock());
    const first = limits.acquire("192.0.2.1");
    limits.acquire("192.0.2.2");
    expect(outcomeOf(() => limits.acquire("192.0.2.3"))).toBe("resource_exhausted");
    first.release();
    first.release();
    expect(outcomeOf(() => limits.acquire("192.0.2.3"))).toBe("ok");
    expect(outcomeOf(() => limits.acquire("192.0.2.4"))).toBe("resource_exhausted");
  });

  test("A11: counts an IPv6 network as one address", () => {
    const limits = new ConnectionLimits({ connections_per_address: 1 }, new ManualClock());
    const slot = limits.acquire("2001:db8::1");
    expect(outcomeOf(() => limits.acquire("2001:db8::ffff"))).toBe("resource_exhausted");
    expect(outcomeOf(() => limits.acquire("2001:db8:0:1::1"))).toBe("ok");
    expect(outcomeOf(() => limits.acquire("192.0.2.1"))).toBe("ok");
    expect(outcomeOf(() => limits.acquire("192.0.2.1"))).toBe("resource_exhausted");
    slot.release();
    expect(outcomeOf(() => limits.acquire("2001:db8::ffff"))).toBe("ok");
  });

  test("A11: does not count a refused address", () => {
    const limits = new ConnectionLimits({ connections: 2, connections_per_address: 1 }, new ManualClock());
    limits.acquire("192.0.2.1");
    for (let round = 0; round < 5; round += 1) outcomeOf(() => limits.acquire("192.0.2.1"));
    expect(outcomeOf(() => limits.acquire("192.0.2.2"))).toBe("ok");
  });

  test("A11: counts a user's connections from all addresses, and counts for the new user when the user changes", () => {
    const limits = new ConnectionLimits({ connections_per_user: 1 }, new ManualClock());
    const first = limits.acquire("192.0.2.1");
    const second = limits.acquire("192.0.2.2");
    first.setUser("ann");
    first.setUser("ann");
    expect(outcomeOf(() => second.setUser("ann"))).toBe("resource_exhausted");
    second.setUser("bob");
    expect(outcomeOf(() => second.setUser("ann"))).toBe("resource_exhausted");
    // The connection still counts for bob.
    expect(outcomeOf(() => limits.acquire("192.0.2.3").setUser("bob"))).toBe("resource_exhausted");
    first.setUser(undefined);
    second.setUser("ann");
    second.release();
    second.setUser("ann");
    expect(outcomeOf(() => limits.acquire("192.0.2.3").setUser("ann"))).toBe("ok");
  });

  test("A11: limits handshakes per second, and says when to retry", () => {
    const clock = new ManualClock();
    const limits = new ConnectionLimits({ handshakes_per_second: 2 }, clock);
    limits.acquire("192.0.2.1").release();
    limits.acquire("192.0.2.2").release();
    expect(outcomeOf(() => limits.acquire("192.0.2.3"))).toBe("retry in 1 s");
    clock.advance(500);
    expect(outcomeOf(() => limits.acquire("192.0.2.3"))).toBe("ok");
  });

  test("A11: does not charge other addresses for one that connects too often", () => {
    const limits = new ConnectionLimits(
      { handshakes_per_second: 3, handshakes_per_second_per_address: 1 },
      new ManualClock(),
    );
    limits.acquire("192.0.2.1");
    for (let round = 0; round < 9; round += 1)
      expect(outcomeOf(() => limits.acquire("192.0.2.1"))).toBe("retry in 1 s");
    expect(outcomeOf(() => limits.acquire("192.0.2.2"))).toBe("ok");
    expect(outcomeOf(() => limits.acquire("192.0.2.3"))).toBe("ok");
    expect(outcomeOf(() => limits.acquire("192.0.2.4"))).toBe("retry in 1 s");
  });

  test("A11: applies changed limits to new connections, and releases the slots acquired before", () => {
    const clock = new ManualClock();
    const limits = new ConnectionLimits({ handshakes_per_second: 2 }, clock);
    const before = limits.acquire("192.0.2.1");
    before.setUser("ann");
    limits.change({ handshakes_per_second: 2, connections: 2, connections_per_address: 1, connections_per_user: 1 });
    const after = limits.acquire("192.0.2.1");
    after.setUser("ann");
    // The change did not refill the bucket.
    expect(outcomeOf(() => limits.acquire("192.0.2.2"))).toBe("retry in 1 s");
    clock.advance(1_000);
    expect(outcomeOf(() => limits.acquire("192.0.2.2"))).toBe("resource_exhausted");
    before.release();
    expect(outcomeOf(() => limits.acquire("192.0.2.1"))).toBe("resource_exhausted");
    after.release();
    clock.advance(1_000);
    expect(outcomeOf(() => limits.acquire("192.0.2.1").setUser("ann"))).toBe("ok");
  });
});
