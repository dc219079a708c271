import { closePaced } from "../../src/clients/close-paced.js";
import { createRestartClose } from "../../src/errors.js";
import { Bench, CountingEncoding, MemorySink } from "../core/support.js";

const REASON = createRestartClose("service restart", { from: 1_000, to: 10_000 });

function setUp(sessions: number) {
  const bench = new Bench();
  for (let count = 0; count < sessions; count += 1) bench.session(new MemorySink(), new CountingEncoding());
  const end = new AbortController();
  const begin = (rate: number): Promise<number> =>
    closePaced({
      clock: bench.clock,
      hub: bench.hub,
      rate,
      reason: REASON,
      pick: (count) => [...bench.hub.sessions].slice(0, count),
      signal: end.signal,
    });
  /** Advances the time, and lets the slices of work in between run. */
  const advance = async (milliseconds: number): Promise<number> => {
    for (let step = 0; step < milliseconds; step += 50) {
      await slices();
      bench.clock.advance(50);
    }
    await slices();
    return bench.hub.sessions.size;
  };
  return { advance, begin, bench, end };
}

/** Lets the work run that has been scheduled for the next turns. */
async function slices(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

test("L7: closes sessions at the rate, the first ones at once", async () => {
  const { advance, begin } = setUp(100);
  const closed = begin(20);
  expect(await advance(0)).toBe(99);
  expect(await advance(1_000)).toBe(79);
  expect(await advance(2_000)).toBe(39);
  expect(await advance(2_000)).toBe(0);
  expect(await closed).toBe(100);
});

test("L7: closes less than one session per step when the rate is low", async () => {
  const { advance, begin } = setUp(3);
  const closed = begin(1);
  expect(await advance(950)).toBe(2);
  expect(await advance(100)).toBe(1);
  expect(await advance(1_000)).toBe(0);
  expect(await closed).toBe(3);
});

test("L7: does not make up at once for the time in which the event loop was busy", async () => {
  const { begin, bench } = setUp(1_000);
  void begin(100);
  await slices();
  bench.clock.sleep(5_000);
  await slices();
  // The first step and the longest one: 5 and 20 sessions.
  expect(bench.hub.sessions.size).toBe(975);
});

test("L7: ends early when aborted", async () => {
  const { advance, begin, end } = setUp(100);
  const closed = begin(20);
  await advance(500);
  end.abort();
  expect(await closed).toBe(11);
});
