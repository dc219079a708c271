import type { TaskRequest } from "../dispatch.js";
import { TASK_BYTES } from "../limits.js";
import { detachBytes } from "../wire/detach-bytes.js";
import type { Offer } from "../wire/task-messages.js";
import type { WorkerGroup } from "./worker-group.js";
import type { WorkerHandle } from "./worker-handle.js";

let count = 0;

/** A task of any node that waits here for a worker of this node, or has one. */
export class AssignedTask {
  /** What workers and askers know it by. */
  readonly id: string;
  /** The asking node. */
  readonly from: string;
  /** The asking node's numbers for the task and for its present offer. */
  about: { readonly task: number; readonly offer: number };
  readonly request: Omit<TaskRequest, "deadline" | "payload">;
  readonly attempt: number;
  /** Workers that have had it. */
  readonly not: readonly string[];
  /** When nobody waits for it any more, by this node's monotonic clock. */
  readonly ends: number;
  readonly group: WorkerGroup;
  /** Smaller than that of every task that came here later. */
  readonly order: number;
  /** What it counts as while it waits. */
  readonly bytes: number;
  payload: Uint8Array;
  /** Who has it; undefined while it waits. */
  seat: WorkerHandle | undefined;
  acknowledged = false;
  /** Parts of the answer that were sent. */
  parts = 0;
  /** The asking node knows that it is here. */
  told = false;
  /** Looks since it was given. */
  ticks = 0;

  constructor(from: string, offer: Offer, ends: number, group: WorkerGroup) {
    count += 1;
    this.id = taskId(from, offer.task);
    this.from = from;
    this.about = { task: offer.task, offer: offer.offer };
    this.request = offer.request;
    this.attempt = offer.attempt;
    this.not = offer.not;
    this.ends = ends;
    this.group = group;
    this.order = count;
    this.bytes = offer.payload.length + TASK_BYTES;
    this.payload = detachBytes(offer.payload);
  }
}

/** Unique in the cluster, and short. */
export function taskId(node: string, task: number): string {
  return `${node}-${task.toString(36)}`;
}
