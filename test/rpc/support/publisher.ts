import { MemoryDriver } from "../../../src/brokers/memory/driver.js";
import { MessageIds, type Publication } from "../../../src/core/message.js";
import { Publisher } from "../../../src/core/publishing/publisher.js";
import { TrafficCounts } from "../../../src/core/traffic.js";
import { systemClock } from "../../../src/util/system-clock.js";

/** Memory broker that records the published messages. */
class NotingDriver extends MemoryDriver {
  /** `VHOST TOPIC` */
  readonly topics: string[] = [];

  override publish(publications: readonly Publication[]) {
    for (const { topic, vhost } of publications) this.topics.push(`${vhost} ${topic}`);
    return super.publish(publications);
  }
}

/** Real publisher with a record of the published messages. */
export class TestPublisher {
  readonly #driver = new NotingDriver({ clock: systemClock });
  readonly publisher = new Publisher({
    brokers: { resolve: () => ({ name: "memory", driver: this.#driver }) },
    ids: new MessageIds("test"),
    clock: systemClock,
    limits: { payloadBytes: 1_048_576, topicsPerMessage: 100, expandedBytes: 16_777_216 },
    traffic: new TrafficCounts(),
    historyOf: () => undefined,
    onUnconfirmed: () => {
      // Memory confirms.
    },
  });

  get topics(): string[] {
    return this.#driver.topics;
  }
}
