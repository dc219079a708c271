import type { Backend } from "../../../src/access/keys/backend.js";
import { TURN_STEPS } from "../../../src/access/patterns/match-ahead.js";
import { MAX_REQUEST_STEPS, matchSteps } from "../../../src/access/patterns/match-steps.js";
import { PatternSet } from "../../../src/access/patterns/pattern-set.js";
import type { HistoryClass } from "../../../src/core/history.js";
import { findHistoryAhead } from "../../../src/dialects/find-history-ahead.js";
import type { PublishMessage } from "../../../src/rpc/services/publish/publish-request.js";
import { checkAhead } from "../../../src/rpc/services/publish/publish-source.js";
import { cleanUp } from "../../support/clean-up.js";

const MIB = 1_024 * 1_024;

function backendOf(vhost: string): Backend {
  const topics = ["re:[ab]*a[ab]{400}c|[ab]*"];
  const patterns = new PatternSet(topics);
  return {
    name: "scoped",
    vhost,
    actions: new Set(["publish"]),
    topics,
    matchers: patterns.matchers,
    mayUse: (topic) => patterns.find(topic) !== undefined,
  };
}

const PAYLOAD = Buffer.alloc(4 * MIB);
const TOPICS = Array.from({ length: 4 }, (_, number) => "a".repeat(200 + number));

/** Request of 4 MiB whose check takes more than one turn. */
function check(backend: Backend): Promise<unknown> | undefined {
  const message = { command: "", topics: TOPICS, payload: PAYLOAD, broker: "", event: "", id: "", text: "" };
  expect(TOPICS.reduce((steps, topic) => steps + matchSteps(backend.matchers.weight, topic), 0)).toBeGreaterThan(
    TURN_STEPS,
  );
  return checkAhead({ messages: [message] }, backend, undefined);
}

test("O12: bounds the requests pending pattern matching, for one vhost and for all", async () => {
  const vhosts = ["/shop", "/news", "/game"].map(backendOf);
  const refusal = { code: "resource_exhausted", retryDelay: 1_000 };
  const waiting = vhosts.map((backend) => Array.from({ length: 10 }, async () => check(backend)));
  const outcomes = await Promise.all(waiting.map((checks) => Promise.allSettled(checks)));
  const refused = outcomes.map((checks) => checks.filter(({ status }) => status === "rejected").length);
  // 32 MiB for one vhost and 64 MiB for all: 7 and 15 requests, with their overhead.
  expect(refused).toEqual([3, 3, 9]);
  expect(outcomes[0]?.[9]).toMatchObject({ status: "rejected", reason: refusal });
  await check(vhosts[0] ?? backendOf("/shop"));
});

/** Finds a class for topics that begin with `b`. Records the turns of the event loop in which it searched. */
class SlowFinder {
  readonly turns: number[] = [];
  #turn = 0;
  #watched = true;

  constructor(readonly cost: number) {
    this.#watch();
    cleanUp(() => {
      this.#watched = false;
    });
  }

  readonly steps = (): number => this.cost;

  readonly find = (topic: string): HistoryClass | undefined => {
    this.turns.push(this.#turn);
    return topic.startsWith("b") ? CHAT : undefined;
  };

  /** The most searches in one turn. */
  get most(): number {
    return Math.max(...this.turns.map((turn) => this.turns.filter((other) => other === turn).length));
  }

  #watch(): void {
    setImmediate(() => {
      this.#turn += 1;
      if (this.#watched) this.#watch();
    });
  }
}

const CHAT: HistoryClass = {
  name: "chat",
  messages: 1,
  age: 1_000,
  bytes: 1_000,
  topicBytes: undefined,
  storage: "memory",
  replicas: 1,
  deduplication: 1_000,
};
const MIXED = Array.from({ length: 20 }, (_, number) => (number % 2 === 0 ? `a${number}` : `b${number}`));

function publishOn(topics: readonly string[]): PublishMessage {
  return { command: "", topics: [...topics], payload: Buffer.of(), broker: "", event: "", id: "", text: "" };
}

/** Backend that may use all topics. */
function unlimited(): Backend {
  const { matchers } = new PatternSet([]);
  return { name: "any", vhost: "/", actions: new Set(["publish"]), topics: [], matchers, mayUse: () => true };
}

test("O12: finds the history of many topics in slices, once for each", async () => {
  const finder = new SlowFinder(TURN_STEPS / 2);
  const source = await checkAhead({ messages: [publishOn(MIXED)] }, unlimited(), finder);
  expect(finder.turns).toHaveLength(20);
  expect(finder.most).toBe(2);
  expect(MIXED.map((topic) => source?.findHistory?.(topic))).toEqual(
    MIXED.map((topic) => (topic.startsWith("b") ? CHAT : undefined)),
  );
});

test("O12: leaves cheap requests to the publisher, and refuses those that take too long", async () => {
  const request = { messages: [publishOn(MIXED)] };
  expect(checkAhead(request, unlimited(), undefined)).toBeUndefined();
  expect(checkAhead(request, unlimited(), new SlowFinder(1))).toBeUndefined();
  const endless = new SlowFinder(MAX_REQUEST_STEPS);
  expect(() => checkAhead(request, unlimited(), endless)).toThrow("the limit is");
  const publisher = { historyOf: () => endless };
  expect(() => findHistoryAhead(publisher, "/", [{ topics: MIXED }])).toThrow("the limit is");
  expect(endless.turns).toEqual([]);
});

test("O12: finds the history of a topic of a dialect's backend in a slice", async () => {
  const finder = new SlowFinder(TURN_STEPS);
  const publisher = { historyOf: () => finder };
  const requests = MIXED.map(async (topic) => findHistoryAhead(publisher, "/", [{ topics: [topic] }]));
  const found = await Promise.all(requests);
  expect(finder.most).toBe(1);
  expect(found.map((find, position) => find?.(MIXED[position] ?? ""))).toEqual(
    MIXED.map((topic) => (topic.startsWith("b") ? CHAT : undefined)),
  );
  expect(findHistoryAhead({ historyOf: () => undefined }, "/", [{ topics: MIXED }])).toBeUndefined();
});
