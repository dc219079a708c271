import { CallService } from "../../../gen/carillon/v1/call_pb.js";
import { WorkerService } from "../../../gen/carillon/v1/worker_pb.js";
import type { BackendDirectory } from "../../../src/access/keys/backend.js";
import type { Clock } from "../../../src/core/ports.js";
import type { CarillonError } from "../../../src/errors.js";
import type { Keepalive } from "../../../src/rpc/grpc/grpc-mount-options.js";
import { CALL_ACTIONS, CallImplementation } from "../../../src/rpc/services/calls.js";
import { WORKER_ACTIONS, WorkerImplementation } from "../../../src/rpc/services/workers.js";
import { systemClock } from "../../../src/util/system-clock.js";
import { startMounts, type TestMounts } from "../../support/backends/mounts.js";
import { startLocalDispatch, type TestDispatch } from "../../workers/support.js";
import { everybody } from "./keys.js";

export interface WorkNode extends TestMounts {
  readonly node: TestDispatch;
  readonly workers: WorkerImplementation;
  /** Failures of triggered tasks. */
  readonly failedTasks: readonly CarillonError[];
}

/** Serves the worker and the call service on both mounts, with a separate dispatch. */
export async function startWorkNode({
  acknowledgeWithin = 10_000,
  clock = systemClock,
  directory = everybody(),
  ...rest
}: {
  readonly acknowledgeWithin?: number;
  readonly clock?: Clock;
  readonly directory?: BackendDirectory;
  readonly keepalive?: Keepalive;
} = {}): Promise<WorkNode> {
  const node = await startLocalDispatch({ acknowledgeWithin, clock });
  const { dispatch } = node;
  const failedTasks: CarillonError[] = [];
  const workers = new WorkerImplementation({ dispatch, clock, acknowledgeWithin });
  const calls = new CallImplementation({ dispatch, clock, onTaskFailed: (_request, error) => failedTasks.push(error) });
  const mounts = await startMounts({
    ...rest,
    directory,
    services: [
      { service: WorkerService, implementation: workers, actions: WORKER_ACTIONS },
      { service: CallService, implementation: calls, actions: CALL_ACTIONS },
    ],
  });
  return { ...mounts, node, workers, failedTasks };
}
