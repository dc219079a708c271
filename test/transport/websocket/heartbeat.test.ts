import { Heartbeat, type MonitoredConnection } from "../../../src/transport/websocket/heartbeat.js";
import { ManualClock } from "../../support/manual-clock.js";

const INTERVAL = 25_000;
const TIMEOUT = 8_000;

/** Peer that records when it was pinged and expired, and answers on demand. */
class Peer implements MonitoredConnection {
  readonly pings: number[] = [];
  expired: number | undefined;
  alive = true;
  readonly #clock: ManualClock;
  readonly #answers: boolean;

  constructor(clock: ManualClock, answers: boolean) {
    this.#clock = clock;
    this.#answers = answers;
  }

  ping(): void {
    this.pings.push(this.#clock.now());
    this.alive = this.#answers;
  }

  expire(): void {
    this.expired ??= this.#clock.now();
  }
}

function begin(interval = INTERVAL, timeout = TIMEOUT) {
  const clock = new ManualClock();
  const heartbeat = new Heartbeat({ clock, interval, timeout });
  heartbeat.start();
  return { clock, heartbeat };
}

test("L5: pings every connection once an interval, the first time within one interval", () => {
  const { clock, heartbeat } = begin();
  const peers = Array.from({ length: 60 }, () => new Peer(clock, true));
  for (const peer of peers) heartbeat.add(peer);
  clock.advance(4 * INTERVAL);
  for (const { expired, pings } of peers) {
    expect(expired).toBeUndefined();
    expect(pings).toHaveLength(4);
    expect(pings[0]).toBeLessThanOrEqual(INTERVAL);
    expect(pings.slice(1).map((time, position) => time - (pings[position] ?? 0))).toEqual([
      INTERVAL,
      INTERVAL,
      INTERVAL,
    ]);
  }
});

test("L5: spreads the pings of connections that were added at the same time", () => {
  const { clock, heartbeat } = begin();
  const peers = Array.from({ length: 1_000 }, () => new Peer(clock, true));
  for (const peer of peers) heartbeat.add(peer);
  clock.advance(INTERVAL);
  const perMoment = new Map<number, number>();
  for (const { pings } of peers) for (const time of pings) perMoment.set(time, (perMoment.get(time) ?? 0) + 1);
  expect([...perMoment.values()]).toEqual(Array.from({ length: 25 }, () => 40));
});

test("L5: expires a silent peer 8 s after the ping, not earlier", () => {
  const { clock, heartbeat } = begin();
  const peers = Array.from({ length: 50 }, () => new Peer(clock, false));
  for (const peer of peers) heartbeat.add(peer);
  clock.advance(2 * INTERVAL);
  for (const { expired, pings } of peers) expect(expired).toBe((pings[0] ?? 0) + TIMEOUT);
});

test("L5: accepts a sign of life just before the timeout", () => {
  const { clock, heartbeat } = begin();
  const peer = new Peer(clock, false);
  heartbeat.add(peer);
  for (let round = 0; round < 10; round += 1) {
    while (peer.pings.length === round) clock.advance(1);
    clock.advance(TIMEOUT - 1);
    peer.alive = true;
  }
  expect(peer.expired).toBeUndefined();
  while (peer.pings.length === 10) clock.advance(1);
  clock.advance(TIMEOUT);
  expect(peer.expired).toBe((peer.pings[10] ?? 0) + TIMEOUT);
});

test("L5: uses one timer for all connections, and none after the stop", () => {
  const { clock, heartbeat } = begin();
  const peers = Array.from({ length: 500 }, () => new Peer(clock, true));
  for (const peer of peers) heartbeat.add(peer);
  heartbeat.start();
  expect(clock.timers).toBe(1);
  clock.advance(3 * INTERVAL + 17);
  expect(clock.timers).toBe(1);
  heartbeat.stop();
  expect(clock.timers).toBe(0);
  const pings = peers.map((peer) => peer.pings.length);
  clock.advance(INTERVAL);
  expect(peers.map((peer) => peer.pings.length)).toEqual(pings);
});

test("L5: neither pings nor expires a connection that has ended", () => {
  const { clock, heartbeat } = begin();
  const [never, early] = [new Peer(clock, false), new Peer(clock, false)];
  heartbeat.add(never).delete(never);
  const watch = heartbeat.add(early);
  while (early.pings.length === 0) clock.advance(1);
  watch.delete(early);
  clock.advance(2 * INTERVAL);
  expect(never.pings).toEqual([]);
  expect(early.pings).toHaveLength(1);
  expect(early.expired).toBeUndefined();
});

test.each([
  [100, 40],
  [100, 99],
  [50, 20],
  [3_600_000, 600_000],
  [1_000, 1],
])("L5: with an interval of %i ms, keeps a timeout of %i ms to 1/25 of the interval", (interval, timeout) => {
  const { clock, heartbeat } = begin(interval, timeout);
  const peer = new Peer(clock, false);
  heartbeat.add(peer);
  clock.advance(3 * interval);
  const late = (peer.expired ?? Number.POSITIVE_INFINITY) - (peer.pings[0] ?? 0) - timeout;
  expect(Math.abs(late)).toBeLessThanOrEqual(interval / 25 + 0.001);
});
