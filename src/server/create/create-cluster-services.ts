import type { LimitedLog } from "../../observe/limited-log.js";
import { ClusterPresence } from "../../presence/cluster-presence.js";
import { systemClock } from "../../util/system-clock.js";
import { ACKNOWLEDGE_WITHIN, ClusterDispatch } from "../../workers/cluster-dispatch.js";
import type { TaskTracer } from "../../workers/dispatch.js";
import { DEFAULT_LIMITS } from "../../workers/limits.js";
import type { ClusterRuntime } from "./create-cluster.js";

/** Services across nodes beside messaging. They start after the cluster and stop before it. */
export interface ClusterServices {
  readonly presence: ClusterPresence;
  readonly dispatch: ClusterDispatch;
}

export function createClusterServices(
  { bus, cluster }: ClusterRuntime,
  limitedLog: LimitedLog,
  tracer: TaskTracer | undefined,
): ClusterServices {
  const onError = (message: string): void => {
    limitedLog.error({}, message, "tasks and presence");
  };
  const shared = { cluster, clock: systemClock, endOfTurn: setImmediate, onError };
  return {
    presence: new ClusterPresence(shared),
    dispatch: new ClusterDispatch({
      ...shared,
      bus,
      tracer,
      limits: DEFAULT_LIMITS,
      acknowledgeWithin: ACKNOWLEDGE_WITHIN,
    }),
  };
}
