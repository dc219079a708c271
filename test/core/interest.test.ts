import { MemoryDriver } from "../../src/brokers/memory/driver.js";
import { Interest } from "../../src/core/interest.js";
import type { BrokerDriver, Subscription, TopicSubscription } from "../../src/core/ports.js";
import { TopicIndex } from "../../src/core/topic-index.js";
import { DEFAULT_RULES } from "../../src/core/topic-rules.js";
import { TrafficCounts } from "../../src/core/traffic.js";
import { CarillonError } from "../../src/errors.js";
import { ManualClock } from "../support/manual-clock.js";

/** Records subscriptions, and refuses topics that start with "forbidden". */
class NotingDriver implements BrokerDriver {
  readonly up = true;
  readonly link = { reconnects: 0, pendingBytes: 0 };
  readonly log: string[] = [];

  start = (): Promise<void> => Promise.resolve();
  stop = (): Promise<void> => Promise.resolve();
  settle = (): Promise<void> => Promise.resolve();
  admit(): void {}
  readonly history = new MemoryDriver({ clock: new ManualClock() }).history;
  publish = () => Promise.resolve({ stage: "flushed", stored: new Map() } as const);

  subscribeBelow = (): Subscription => ({ refusal: undefined, close: () => {} });

  subscribe(_vhost: string, topic: string): TopicSubscription {
    this.log.push(`+${topic}`);
    const refusal = topic.startsWith("forbidden") ? new CarillonError("permission_denied", "no") : undefined;
    const close = () => void this.log.push(`-${topic}`);
    return { refusal, log: undefined, changeHistory: () => {}, close };
  }
}

function setUp(linger: number) {
  const clock = new ManualClock();
  const index = new TopicIndex(() => DEFAULT_RULES, { deliver() {} }, new TrafficCounts());
  const driver = new NotingDriver();
  const interest = new Interest(index, clock, () => linger);
  return { clock, driver, index, interest, topic: (name: string) => index.findOrAdd("/", "memory", name) };
}

test("N4: subscribes to a topic once until its last holder has left and the linger is over", () => {
  const { clock, driver, index, interest, topic } = setUp(2_000);
  interest.hold(topic("a"), driver);
  interest.hold(topic("a"), driver);
  interest.release(topic("a"));
  clock.advance(10_000);
  expect(driver.log).toEqual(["+a"]);
  interest.release(topic("a"));
  clock.advance(1_999);
  expect(driver.log).toEqual(["+a"]);
  clock.advance(1);
  expect(driver.log).toEqual(["+a", "-a"]);
  expect(index.size).toBe(0);
});

test("N4: keeps the subscription when a client leaves and joins again within the linger", () => {
  const { clock, driver, interest, topic } = setUp(2_000);
  for (let time = 0; time < 10; time += 1) {
    interest.hold(topic("a"), driver);
    interest.release(topic("a"));
    clock.advance(1_500);
  }
  expect(driver.log).toEqual(["+a"]);
});

test("N4: keeps a topic that is held again within the linger", () => {
  const { clock, driver, index, interest, topic } = setUp(2_000);
  interest.hold(topic("a"), driver);
  interest.release(topic("a"));
  clock.advance(1_000);
  interest.hold(topic("a"), driver);
  clock.advance(10_000);
  expect(driver.log).toEqual(["+a"]);
  expect(index.size).toBe(1);
});

test("N4: gives each topic its own linger when one timer serves all", () => {
  const { clock, driver, index, interest, topic } = setUp(2_000);
  for (const name of ["a", "b", "c"]) {
    interest.hold(topic(name), driver);
    interest.release(topic(name));
    clock.advance(500);
  }
  expect(clock.timers).toBe(1);
  clock.advance(500);
  expect(driver.log.filter((line) => line.startsWith("-"))).toEqual(["-a"]);
  clock.advance(500);
  expect(driver.log.filter((line) => line.startsWith("-"))).toEqual(["-a", "-b"]);
  clock.advance(500);
  expect(index.size).toBe(0);
  expect(clock.timers).toBe(0);
});

test("drops a topic at once when the broker refused it", () => {
  const { driver, index, interest, topic } = setUp(2_000);
  interest.hold(topic("forbidden"), driver);
  interest.release(topic("forbidden"));
  expect(driver.log).toEqual(["+forbidden", "-forbidden"]);
  expect(index.size).toBe(0);
});

test("keeps topics apart when only their vhosts or brokers differ", () => {
  const { index } = setUp(0);
  const names = [
    ["/", "memory"],
    ["/", "nats"],
    ["/a", "memory"],
  ] as const;
  const topics = names.map(([vhost, broker]) => index.findOrAdd(vhost, broker, "t"));
  expect(new Set(topics).size).toBe(3);
  for (const topic of topics) index.remove(topic);
  expect(index.size).toBe(0);
  expect(index.find("/", "memory", "t")).toBeUndefined();
});
