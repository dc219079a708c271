import type { Backend } from "../../../src/access/keys/backend.js";
import { TURN_STEPS } from "../../../src/access/patterns/match-ahead.js";
import { matchSteps } from "../../../src/access/patterns/match-steps.js";
import { PatternSet } from "../../../src/access/patterns/pattern-set.js";
import { checkAhead } from "../../../src/rpc/services/publish/publish-source.js";

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
  return checkAhead({ messages: [message] }, backend);
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
