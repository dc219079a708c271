import type { TaskRequest, TaskSpan } from "../dispatch.js";
import { detachBytes, TASK_BYTES } from "../limits.js";
import type { Offer, OfferId } from "../wire/task-messages.js";
import type { WorkerGroup } from "./worker-group.js";
import type { WorkerHandle } from "./worker-handle.js";

let count = 0;

/** A task of any node that a worker of this node has, or that waits at this node for one. */
export class AssignedTask {
  /** Id of the task for workers and callers. */
  readonly id: string;
  /** The calling node. */
  readonly from: string;
  /** The calling node's numbers of the task and of its current offer. */
  offerId: OfferId;
  readonly request: Omit<TaskRequest, "deadline" | "payload">;
  readonly attempt: number;
  /** Workers that already had the task, and do not get it again. */
  readonly excludedWorkers: readonly string[];
  /** Deadline of its caller in milliseconds, by this node's monotonic clock. */
  readonly ends: number;
  readonly group: WorkerGroup;
  /** Increases with each task of this node. */
  readonly order: number;
  /** Bytes counted against the vhost's limit while the task waits. */
  readonly bytes: number;
  payload: Uint8Array;
  /** Worker that has the task; undefined while it waits. */
  worker: WorkerHandle | undefined;
  /** Begins when a worker gets the task. Undefined if it is not sampled. */
  span: TaskSpan | undefined;
  acknowledged = false;
  /** Number of answer parts that were sent to the calling node. */
  parts = 0;
  /** Whether the calling node was notified that this node has the task. */
  reported = false;
  /** Ticks since a worker got the task. */
  ticks = 0;

  constructor(from: string, offer: Offer, ends: number, group: WorkerGroup) {
    count += 1;
    this.id = createTaskId(from, offer.task);
    this.from = from;
    this.offerId = { task: offer.task, offer: offer.offer };
    this.request = offer.request;
    this.attempt = offer.attempt;
    this.excludedWorkers = offer.excludedWorkers;
    this.ends = ends;
    this.group = group;
    this.order = count;
    this.bytes = offer.payload.length + TASK_BYTES;
    this.payload = detachBytes(offer.payload);
  }
}

/** Creates a short id that is unique in the cluster. */
export function createTaskId(node: string, task: number): string {
  return `${node}-${task.toString(36)}`;
}
