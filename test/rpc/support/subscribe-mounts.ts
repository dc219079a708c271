import { SubscribeService } from "../../../gen/carillon/v1/subscribe_pb.js";
import { MatcherList } from "../../../src/access/patterns/matcher-list.js";
import { MemoryDriver } from "../../../src/brokers/memory/driver.js";
import { FanOut } from "../../../src/core/fan-out.js";
import { Hub } from "../../../src/core/hub.js";
import { Interest } from "../../../src/core/interest.js";
import { OutboxContext } from "../../../src/core/outbox.js";
import type { Clock } from "../../../src/core/ports.js";
import { TopicIndex } from "../../../src/core/topic-index.js";
import { DEFAULT_RULES } from "../../../src/core/topic-rules.js";
import { TrafficCounts } from "../../../src/core/traffic.js";
import { RecoveryCounts } from "../../../src/history/recovery-counts.js";
import { SUBSCRIBE_ACTIONS, SubscribeImplementation } from "../../../src/rpc/services/subscribe/subscribe.js";
import { startMounts, type TestMounts } from "../../support/backends/mounts.js";
import { everybody } from "./keys.js";

/** Both mounts with SubscribeService on a memory broker, and a clock that the test advances. */
export async function startSubscribeMounts(
  clock: Clock,
): Promise<TestMounts & { publish(text: string): Promise<void> }> {
  const driver = new MemoryDriver({ clock });
  const outbox = new OutboxContext(1_048_576, { disconnect: 0, drop_oldest: 0, latest: 0 });
  const fanOut = new FanOut({
    endOfTurn: setImmediate,
    clock,
    outbox,
    onSlow: (session) => hub.remove(session, "slow_consumer"),
  });
  const index = new TopicIndex(() => DEFAULT_RULES, fanOut, new TrafficCounts());
  const interest = new Interest(index, clock, () => 0);
  const hub = new Hub(fanOut, (topic) => interest.release(topic));
  const implementation = new SubscribeImplementation({
    context: {
      brokers: { resolve: () => ({ name: "memory", driver }) },
      fanOut,
      hub,
      index,
      interest,
      recoveries: new RecoveryCounts(),
      replayLimits: { messages: 1_000, bytes: 1_048_576 },
      topicsPerConnection: () => 100,
    },
    outbox,
    rulePatternsOf: () => new MatcherList([]),
    clock,
  });
  const services = [{ service: SubscribeService, implementation, actions: SUBSCRIBE_ACTIONS }];
  const mounts = await startMounts({ services, directory: everybody() });
  return {
    ...mounts,
    publish: async (text) => {
      const message = { id: text, event: "", sender: "", time: clock.now(), payload: Buffer.from(text) };
      await driver.publish([{ vhost: "/", topic: "a", message }]);
    },
  };
}
