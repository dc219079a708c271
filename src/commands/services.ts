import type { Hub } from "../core/hub.js";
import type { Interest } from "../core/interest.js";
import type { BrokerDirectory } from "../core/ports.js";
import type { Publisher } from "../core/publisher.js";
import type { TopicIndex } from "../core/topic-index.js";

/** What commands work on. */
export interface Services {
  readonly brokers: BrokerDirectory;
  readonly hub: Hub;
  readonly index: TopicIndex;
  readonly interest: Interest;
  readonly publisher: Publisher;
  readonly limits: {
    /** Most topics that one session may be in. */
    readonly topicsPerConnection: number;
  };
}
