import type { Clients } from "../clients/clients.js";
import type { UserTopics } from "../clients/user-topics.js";
import type { Hub } from "../core/hub.js";
import type { Interest } from "../core/interest.js";
import type { BrokerDirectory, Clock } from "../core/ports.js";
import type { Publisher } from "../core/publisher.js";
import type { TopicIndex } from "../core/topic-index.js";
import type { CarillonError } from "../errors.js";
import type { Presence } from "../presence/presence.js";
import type { AccessReview } from "./state/access-review.js";
import type { Attendance } from "./state/attendance.js";
import type { Calls } from "./state/calls.js";
import type { Groups } from "./state/groups.js";

/** What commands work on. */
export interface Services {
  readonly brokers: BrokerDirectory;
  readonly clients: Clients;
  readonly hub: Hub;
  readonly index: TopicIndex;
  readonly interest: Interest;
  readonly publisher: Publisher;
  readonly presence: Presence;
  readonly attendance: Attendance;
  readonly review: AccessReview;
  readonly groups: Groups;
  readonly userTopics: UserTopics;
  readonly calls: Calls;
  readonly clock: Clock;
  /** Most topics that one session of the vhost may be in. */
  readonly topicsPerConnection: (vhost: string) => number;
  /** A task that a client had triggered was not done. */
  readonly onUndone: (vhost: string, event: string, error: CarillonError) => void;
  /** A client could not be joined to topics on its behalf, where nobody waits for the answer. */
  readonly onFailedJoin: (connectionId: string, cause: unknown) => void;
}
