import { CallService } from "../../../gen/carillon/v1/call_pb.js";
import { ControlService } from "../../../gen/carillon/v1/control_pb.js";
import { HistoryService } from "../../../gen/carillon/v1/history_pb.js";
import { MetricsService } from "../../../gen/carillon/v1/metrics_pb.js";
import { PresenceService } from "../../../gen/carillon/v1/presence_pb.js";
import { SubscribeService } from "../../../gen/carillon/v1/subscribe_pb.js";
import { TokenService } from "../../../gen/carillon/v1/token_pb.js";
import { WorkerService } from "../../../gen/carillon/v1/worker_pb.js";
import { BroadcastService } from "../../../gen/websockets/v1/websockets_pb.js";
import { BroadcastService as BroadcastServiceV1Beta } from "../../../gen/websockets/v1beta/websockets_pb.js";
import type { BrokerRegistry } from "../../brokers/registry.js";
import type { SubscriptionContext } from "../../commands/subscribe.js";
import type { Control } from "../../control/control.js";
import type { OutboxContext } from "../../core/outbox.js";
import type { Publisher } from "../../core/publishing/publisher.js";
import type { LimitedLog } from "../../observe/limited-log.js";
import type { ServiceImplementations } from "../../rpc/service.js";
import { CALL_ACTIONS, CallImplementation } from "../../rpc/services/calls.js";
import { CONTROL_ACTIONS, ControlImplementation } from "../../rpc/services/control.js";
import { HISTORY_ACTIONS, HistoryImplementation } from "../../rpc/services/history/history.js";
import { METRICS_ACTIONS, MetricsImplementation } from "../../rpc/services/metrics.js";
import { PRESENCE_ACTIONS, PresenceImplementation } from "../../rpc/services/presence.js";
import { BROADCAST_ACTIONS, BroadcastImplementation, type OnPublished } from "../../rpc/services/publish/broadcast.js";
import { broadcastCodec, plainProto } from "../../rpc/services/publish/broadcast-codec.js";
import { messagePayloads, requestPayload } from "../../rpc/services/publish/json-payload.js";
import { plainJson } from "../../rpc/services/publish/plain-json.js";
import { SUBSCRIBE_ACTIONS, SubscribeImplementation } from "../../rpc/services/subscribe/subscribe.js";
import { TOKEN_ACTIONS, TokenImplementation } from "../../rpc/services/tokens.js";
import { WORKER_ACTIONS, WorkerImplementation } from "../../rpc/services/workers.js";
import { systemClock } from "../../util/system-clock.js";
import type { Vhosts } from "../../vhosts/vhosts.js";
import { ACKNOWLEDGE_WITHIN } from "../../workers/cluster-dispatch.js";
import type { ClusterServices } from "./create-cluster-services.js";

export interface RpcContext extends ClusterServices {
  readonly limitedLog: LimitedLog;
  readonly vhosts: Vhosts;
  readonly brokers: BrokerRegistry;
  readonly publisher: Publisher;
  readonly control: Control;
  readonly onPublished: OnPublished;
  readonly subscriptions: SubscriptionContext;
  readonly outbox: OutboxContext;
}

/** The services for backends. */
export interface RpcServices {
  readonly services: ServiceImplementations;
  /** Refuses new subscriptions and workers. Workers end their current tasks, and leave. */
  drainStreams(): void;
  /** Refuses new tasks. Resolves when those in progress have ended. */
  drainWork(): Promise<void>;
  /** Ends the open streams of backends. */
  stop(): void;
}

export function createRpc(context: RpcContext): RpcServices {
  const { brokers, control, dispatch, limitedLog, onPublished, outbox, presence, publisher, subscriptions, vhosts } =
    context;
  const broadcast = new BroadcastImplementation(publisher, onPublished);
  const workers = new WorkerImplementation({ dispatch, clock: systemClock, acknowledgeWithin: ACKNOWLEDGE_WITHIN });
  const calls = new CallImplementation({
    dispatch,
    clock: systemClock,
    onTaskFailed: ({ event, vhost }, { message }) => {
      limitedLog.warn({ vhost, event, reason: message }, "a triggered task failed");
    },
  });
  const present = new PresenceImplementation({
    presence,
    brokers,
    hasPresence: (vhost, topic) => vhosts.get(vhost)?.rulesFor(topic).presence === true,
  });
  const history = new HistoryImplementation({
    brokers,
    historyOf: (vhost, topic) => vhosts.get(vhost)?.rulesFor(topic).history,
  });
  const streams = new SubscribeImplementation({
    context: subscriptions,
    outbox,
    rulePatternsOf: (vhost) => vhosts.require(vhost).ruleMatchers,
    clock: systemClock,
  });
  const broadcasting = {
    implementation: broadcast,
    actions: BROADCAST_ACTIONS,
    jsonExtension: messagePayloads,
  };
  return {
    services: [
      {
        ...broadcasting,
        service: BroadcastService,
        codec: broadcastCodec,
        plainCodecs: new Map([
          ["application/json", plainJson],
          ["application/proto", plainProto],
        ]),
      },
      { ...broadcasting, service: BroadcastServiceV1Beta },
      { service: ControlService, implementation: new ControlImplementation(control), actions: CONTROL_ACTIONS },
      {
        service: TokenService,
        implementation: new TokenImplementation((vhost) => vhosts.require(vhost).issuer),
        actions: TOKEN_ACTIONS,
      },
      { service: WorkerService, implementation: workers, actions: WORKER_ACTIONS },
      { service: CallService, implementation: calls, actions: CALL_ACTIONS, jsonExtension: requestPayload },
      { service: PresenceService, implementation: present, actions: PRESENCE_ACTIONS },
      { service: HistoryService, implementation: history, actions: HISTORY_ACTIONS },
      {
        service: MetricsService,
        implementation: new MetricsImplementation(control.metrics),
        actions: METRICS_ACTIONS,
      },
      { service: SubscribeService, implementation: streams, actions: SUBSCRIBE_ACTIONS },
    ],
    drainStreams: () => {
      streams.drain();
      workers.drain();
    },
    drainWork: async () => {
      const drained = dispatch.drain();
      workers.drain();
      await drained;
    },
    stop: () => {
      broadcast.stop();
      control.stop();
      workers.stop();
      present.stop();
      streams.stop();
    },
  };
}
