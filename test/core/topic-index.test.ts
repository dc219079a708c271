import { TopicIndex } from "../../src/core/topic-index.js";
import { DEFAULT_RULES } from "../../src/core/topic-rules.js";
import { TrafficCounts } from "../../src/core/traffic.js";

test("finds the topics of a name, of every broker of a vhost and of no other vhost", () => {
  const index = new TopicIndex(() => DEFAULT_RULES, { deliver() {} }, new TrafficCounts());
  const topics = ["memory", "nats"].map((broker) => index.findOrAdd("/shop", broker, "a"));
  index.findOrAdd("/shop", "memory", "ab");
  index.findOrAdd("/", "memory", "a");
  index.findOrAdd("/shop/small", "memory", "a");
  expect([...index.named("/shop", "a")]).toEqual(topics);
  for (const topic of topics) index.remove(topic);
  expect([...index.named("/shop", "a")]).toEqual([]);
});
