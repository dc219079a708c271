import type { BrokerRegistry } from "../../brokers/registry.js";
import type { Clients } from "../../clients/clients.js";
import { UserTopics } from "../../clients/user-topics.js";
import type { CommandContext } from "../../commands/command-context.js";
import { AccessReview } from "../../commands/state/access-review.js";
import { Attendance } from "../../commands/state/attendance.js";
import { Calls } from "../../commands/state/calls.js";
import { Groups } from "../../commands/state/groups.js";
import type { Config } from "../../config/schema.js";
import { CarillonError } from "../../errors.js";
import { RecoveryCounts } from "../../history/recovery-counts.js";
import type { LimitedLog } from "../../observe/limited-log.js";
import { systemClock } from "../../util/system-clock.js";
import type { Vhosts } from "../../vhosts/vhosts.js";
import type { ClusterServices } from "./create-cluster-services.js";
import type { Messaging } from "./create-messaging.js";

export interface ServicesContext extends ClusterServices {
  readonly node: string;
  readonly limitedLog: LimitedLog;
  readonly messaging: Messaging;
  readonly vhosts: Vhosts;
  readonly clients: Clients;
  readonly brokers: BrokerRegistry;
}

/** Creates the dependencies of the command handlers. */
export function createCommandContext({ limits }: Config, context: ServicesContext): CommandContext {
  const { brokers, clients, dispatch, limitedLog, messaging, node, presence, vhosts } = context;
  const { fanOut, hub, index, interest, publisher, traffic } = messaging;
  const attendance = new Attendance({ presence, clients, fanOut, clock: systemClock });
  const userTopics = new UserTopics({
    node,
    clients,
    brokers,
    fanOut,
    traffic,
    onRefused: (vhost, { message: reason }) => {
      limitedLog.warn({ vhost, reason }, "some clients cannot receive messages addressed to their user or connection");
    },
  });
  return {
    brokers,
    clients,
    hub,
    index,
    interest,
    publisher,
    presence,
    fanOut,
    clock: systemClock,
    recoveries: new RecoveryCounts(),
    replayLimits: {
      get messages() {
        return limits.replay_messages;
      },
      get bytes() {
        return limits.replay_bytes;
      },
    },
    attendance,
    review: new AccessReview({
      attendance,
      clients,
      hub,
      index,
      userTopics,
      onError: (vhost, cause) => {
        const reason = CarillonError.from(cause).message;
        limitedLog.error({ vhost, reason }, "a change of the vhost was not applied to all of its clients");
      },
    }),
    groups: new Groups(),
    userTopics,
    calls: new Calls(dispatch, () => limits.calls_per_connection, clients),
    topicsPerConnection: (vhost) =>
      vhosts.get(vhost)?.settings.limits.topics_per_connection ?? limits.topics_per_connection,
    onTaskFailed: (vhost, event, { message: reason }) => {
      limitedLog.warn({ vhost, event, reason }, "a triggered task failed");
    },
    onFailedJoin: (connection, cause) => {
      const reason = CarillonError.from(cause).message;
      limitedLog.warn({ connection, reason }, "a client could not be joined to topics on its behalf");
    },
  };
}
