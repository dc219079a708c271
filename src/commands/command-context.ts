import type { Clients } from "../clients/clients.js";
import type { UserTopics } from "../clients/user-topics.js";
import type { FanOut } from "../core/fan-out.js";
import type { ReplayLimits } from "../core/history.js";
import type { Hub } from "../core/hub.js";
import type { Interest } from "../core/interest.js";
import type { BrokerDirectory, Clock } from "../core/ports.js";
import type { Publisher } from "../core/publishing/publisher.js";
import type { TopicIndex } from "../core/topic-index.js";
import type { CarillonError } from "../errors.js";
import type { RecoveryCounts } from "../history/recovery-counts.js";
import type { Presence } from "../presence/presence.js";
import type { AccessReview } from "./state/access-review.js";
import type { Attendance } from "./state/attendance.js";
import type { Calls } from "./state/calls.js";
import type { Groups } from "./state/groups.js";

/** Dependencies of the command handlers. */
export interface CommandContext {
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
  readonly fanOut: FanOut;
  readonly clock: Clock;
  readonly recoveries: RecoveryCounts;
  /** Bounds of the stored messages that one join sends. */
  readonly replayLimits: ReplayLimits;
  /** Returns the maximum number of topics of one session in a vhost. */
  readonly topicsPerConnection: (vhost: string) => number;
  /** Called when a triggered task has failed after the client was answered; for the log. */
  readonly onTaskFailed: (vhost: string, event: string, error: CarillonError) => void;
  /** Called when a join on a client's behalf has failed; for the log. */
  readonly onFailedJoin: (connectionId: string, cause: unknown) => void;
}
