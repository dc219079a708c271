import fc from "fast-check";
import { CarillonError } from "../../src/errors.js";
import { ByteBudget } from "../../src/net/byte-budget.js";

test("L15: gives one key half of the limit, and counts the refusal of the rest by reason", () => {
  const budget = new ByteBudget(1_000);
  const lease = budget.open({ address: "192.0.2.1", key: "/ shop" });
  expect(lease.tryTake(500)).toBe(true);
  expect(lease.tryTake(1)).toBe(false);
  expect(lease.bytes).toBe(500);
  expect(budget.used).toBe(500);
  expect(budget.refusals).toEqual({ node: 0, keyless: 0, address: 1, key: 0 });
});

test("always leaves bytes for the next caller", () => {
  const budget = new ByteBudget(1_000);
  for (let caller = 1; caller <= 20; caller += 1) {
    const lease = budget.open({ address: `192.0.2.${caller}` });
    while (lease.tryTake(1));
    expect(lease.bytes).toBeGreaterThan(0);
    if (caller === 8) break;
  }
  expect(budget.used).toBeLessThan(1_000);
});

test("L15: limits callers without a key to half of the limit together", () => {
  const budget = new ByteBudget(1_000);
  const alone = budget.open({ address: "192.0.2.1" });
  expect(alone.tryTake(250)).toBe(true);
  expect(alone.tryTake(1)).toBe(false);
  for (let caller = 2; caller <= 200; caller += 1) {
    const lease = budget.open({ address: `192.0.2.${caller}` });
    while (lease.tryTake(1));
  }
  expect(budget.used).toBe(499);
  expect(budget.open({ address: "192.0.2.201" }).tryTake(2)).toBe(false);
  expect(budget.refusals).toMatchObject({ node: 0, keyless: 1, key: 0 });
  expect(budget.open({ address: "192.0.2.201", key: "a" }).tryTake(250)).toBe(true);
});

test("L15: counts a refusal once when the bytes are retried, and grants zero bytes", () => {
  const budget = new ByteBudget(1_000);
  const first = budget.open({ address: "192.0.2.1", key: "a" });
  first.take(400);
  const second = budget.open({ address: "192.0.2.2", key: "b" });
  second.take(300);
  // The first holder is above its share by now.
  expect(first.tryTake(0)).toBe(true);
  expect(budget.refusals).toEqual({ node: 0, keyless: 0, address: 0, key: 0 });
  expect(second.tryTake(200)).toBe(false);
  for (let count = 0; count < 10; count += 1) expect(second.retryTake(200)).toBe(false);
  expect(budget.refusals).toEqual({ node: 0, keyless: 0, address: 1, key: 0 });
  first.release();
  expect(second.retryTake(200)).toBe(true);
  expect(first.tryTake(0)).toBe(false);
});

test("counts all addresses of one key together, and all keys of one address", () => {
  const byKey = new ByteBudget(1_000);
  expect(byKey.open({ address: "192.0.2.1", key: "a" }).tryTake(300)).toBe(true);
  expect(byKey.open({ address: "192.0.2.2", key: "a" }).tryTake(300)).toBe(false);
  expect(byKey.refusals).toEqual({ node: 0, keyless: 0, address: 0, key: 1 });
  expect(byKey.open({ address: "192.0.2.2", key: "b" }).tryTake(300)).toBe(true);

  const byAddress = new ByteBudget(1_000);
  expect(byAddress.open({ address: "2001:db8::1", key: "a" }).tryTake(300)).toBe(true);
  expect(byAddress.open({ address: "2001:db8::2", key: "b" }).tryTake(300)).toBe(false);
  expect(byAddress.open({ address: "2001:db8:0:1::2", key: "b" }).tryTake(300)).toBe(true);
});

test("refuses bytes beyond the limit, counted as node", () => {
  const budget = new ByteBudget(1_000);
  expect(budget.open({ address: "192.0.2.1" }).tryTake(1_001)).toBe(false);
  expect(budget.refusals.node).toBe(1);
});

test("gives refusals a retry delay", () => {
  const lease = new ByteBudget(10).open({ address: "192.0.2.1" });
  const refusal = (): void => lease.take(10);
  expect(refusal).toThrow(CarillonError);
  expect(refusal).toThrow(expect.objectContaining({ code: "resource_exhausted", retryDelay: 1_000 }));
});

test("returns its bytes once when it is released twice, and takes none afterwards", () => {
  const budget = new ByteBudget(1_000);
  const [one, other] = [budget.open({ address: "192.0.2.1" }), budget.open({ address: "192.0.2.1" })];
  one.take(100);
  other.take(50);
  one.give(30);
  expect(budget.used).toBe(120);
  one.release();
  one.release();
  one.give(10);
  expect(budget.used).toBe(50);
  expect(one.tryTake(1)).toBe(false);
  other.give(1_000);
  expect(budget.used).toBe(0);
});

test("counts correctly for any order of takes, returns and releases", () => {
  const holder = fc.record({
    address: fc.constantFrom("192.0.2.1", "192.0.2.2"),
    key: fc.constantFrom(undefined, "a", "b"),
  });
  const step = fc.record({
    lease: fc.nat(3),
    act: fc.constantFrom("take", "give", "release"),
    bytes: fc.integer({ min: 1, max: 400 }),
  });
  fc.assert(
    fc.property(fc.array(holder, { minLength: 4, maxLength: 4 }), fc.array(step), (holders, steps) => {
      const budget = new ByteBudget(1_000);
      const leases = holders.map((who) => budget.open(who));
      for (const { act, bytes, lease: number } of steps) {
        const lease = leases[number];
        if (act === "take") lease?.tryTake(bytes);
        else if (act === "give") lease?.give(bytes);
        else lease?.release();
        expect(budget.used).toBe(leases.reduce((sum, each) => sum + each.bytes, 0));
        expect(budget.used).toBeLessThanOrEqual(1_000);
      }
      for (const lease of leases) lease.release();
      expect(budget.used).toBe(0);
      // No holder's share remains in use.
      expect(budget.open({ address: "192.0.2.1", key: "a" }).tryTake(500)).toBe(true);
    }),
  );
});
