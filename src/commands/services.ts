import type { Clients } from "../clients/clients.js";
import type { Hub } from "../core/hub.js";
import type { Interest } from "../core/interest.js";
import type { BrokerDirectory } from "../core/ports.js";
import type { Publisher } from "../core/publisher.js";
import type { TopicIndex } from "../core/topic-index.js";

/** What commands work on. */
export interface Services {
  readonly brokers: BrokerDirectory;
  readonly clients: Clients;
  readonly hub: Hub;
  readonly index: TopicIndex;
  readonly interest: Interest;
  readonly publisher: Publisher;
  /** Most topics that one session of the vhost may be in. */
  readonly topicsPerConnection: (vhost: string) => number;
  /** A client could not be joined to topics on its behalf, where nobody waits for the answer. */
  readonly onFailedJoin: (connectionId: string, cause: unknown) => void;
}
