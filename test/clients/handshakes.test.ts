import { Handshakes, type HandshakesOptions } from "../../src/clients/handshakes.js";
import { CarillonError } from "../../src/errors.js";
import { ManualClock } from "../support/manual-clock.js";

function setUp(options: Partial<HandshakesOptions> = {}) {
  const clock = new ManualClock();
  const retry = { from: 1_000, to: 10_000 };
  const handshakes = new Handshakes({ clock, rate: undefined, clientCount: () => 0, limit: 100, retry, ...options });
  const refusal = (): CarillonError | undefined => {
    try {
      handshakes.admit();
      return undefined;
    } catch (cause) {
      return CarillonError.from(cause);
    }
  };
  return { clock, handshakes, refusal };
}

test("L22: admits a burst of one second, then the rate", () => {
  const { clock, handshakes, refusal } = setUp({ rate: 10 });
  const admit = (count: number): number => Array.from({ length: count }, refusal).filter((one) => !one).length;
  expect(admit(50)).toBe(10);
  clock.advance(500);
  expect(admit(50)).toBe(5);
  clock.advance(60_000);
  expect(admit(50)).toBe(10);
  expect(handshakes.counts).toEqual({ admitted: 25, rate: 125, full: 0, stopping: 0 });
});

test("L22: spreads refused clients over the time that the rate needs for them, at most a minute", () => {
  const { clock, refusal } = setUp({ rate: 10, random: () => 0.999_999 });
  for (let count = 0; count < 10; count += 1) expect(refusal()).toBeUndefined();
  const first = refusal();
  expect(first).toMatchObject({ code: "unavailable", message: "this node admits no more clients at the moment" });
  expect(first?.retryDelay).toBe(4_999);
  let last = first;
  for (let count = 1; count < 200; count += 1) last = refusal();
  expect(last?.retryDelay).toBe(20_999);
  for (let count = 0; count < 10_000; count += 1) last = refusal();
  expect(last?.retryDelay).toBe(60_999);
  clock.advance(120_000);
  for (let count = 0; count < 11; count += 1) last = refusal();
  expect(last?.retryDelay).toBe(4_999);
});

test("L22: gives refused clients different delays of at least a second", () => {
  const { refusal } = setUp({ rate: 1 });
  const delays = Array.from({ length: 101 }, refusal).map((error) => error?.retryDelay ?? 0);
  expect(delays.shift()).toBe(0);
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(1_000);
  expect(new Set(delays).size).toBeGreaterThan(50);
});

test("L2, L22: does not count clients that a full node refuses against the rate", () => {
  let clients = 5;
  const { handshakes, refusal } = setUp({ rate: 1, limit: 5, clientCount: () => clients, random: () => 0.5 });
  const message = "this node has reached its connection limit";
  expect(refusal()).toMatchObject({ code: "unavailable", message, retryDelay: 5_500 });
  clients = 4;
  expect(refusal()).toBeUndefined();
  expect(handshakes.counts).toEqual({ admitted: 1, rate: 0, full: 1, stopping: 0 });
});

test("L7: refuses all clients once closed, with a delay within the window", () => {
  const { handshakes, refusal } = setUp({ random: () => 0.5 });
  handshakes.close();
  expect(refusal()).toMatchObject({ code: "unavailable", message: "this node is stopping", retryDelay: 5_500 });
  expect(handshakes.counts).toEqual({ admitted: 0, rate: 0, full: 0, stopping: 1 });
});
