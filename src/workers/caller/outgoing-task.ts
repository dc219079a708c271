import { topicProblem } from "../../core/topic-name.js";
import { CarillonError, invalidArgument } from "../../errors.js";
import type { TaskRequest, TaskSpan } from "../dispatch.js";
import { createTaskId } from "../executor/assigned-task.js";
import { detachBytes, MAX_PAYLOAD_BYTES, TASK_BYTES } from "../limits.js";
import type { Offer, RefusalReason } from "../wire/task-messages.js";
import type { CallerReports } from "./caller-reports.js";

/** A task that was requested at this node and has not ended. */
export class OutgoingTask {
  readonly number: number;
  readonly id: string;
  readonly request: TaskRequest;
  readonly reports: CallerReports;
  /** Bytes counted against the vhost's limit. */
  readonly bytes: number;
  ended = false;
  /** Deadline in milliseconds, by this node's monotonic clock. */
  ends = Number.POSITIVE_INFINITY;
  /** Number of the current attempt, from 1. */
  attempt = 1;
  /** Number of the current offer; answers to earlier offers are ignored. */
  offer = 0;
  pattern = "";
  /** Matching patterns that were found to have no workers left. */
  readonly exhausted = new Set<string>();
  /** Node to which the task was offered, or which has it; "" while the bus chooses. */
  node = "";
  /** Whether the matching patterns are being searched. No offer is open meanwhile. */
  searching = false;
  /** Whether a node has taken the task. */
  taken = false;
  /** Number of answer parts that were passed on to the caller. */
  parts = 0;
  /** Ticks since the last message about the task. */
  ticks = 0;
  /** Number of consecutive unanswered checks. */
  checks = 0;
  /** Order in which nodes are tried for a trigger; undefined until chosen for the current attempt and pattern. */
  rotation: readonly string[] | undefined;
  /** Whether the bus may choose the node, as for the first offer. */
  grouped = true;
  /** Abandoned offer that its node may have taken. The node gets a cancel, unless it is offered the task again. */
  abandonedOffer: { readonly node: string; readonly offer: number } | undefined;
  /** Refusals of the current attempt, by node. */
  readonly refusals = new Map<string, RefusalReason>();
  /** Nodes that did not answer. Other nodes are tried first. */
  readonly avoided = new Set<string>();
  /** Workers that already had the task, and do not get it again. */
  readonly excludedWorkers: string[] = [];
  cancelDeadline: (() => void) | undefined;
  /** Undefined if it is not sampled. */
  readonly span: TaskSpan | undefined;

  constructor(node: string, number: number, request: TaskRequest, reports: CallerReports, span?: TaskSpan) {
    this.number = number;
    this.id = createTaskId(node, number);
    this.request = { ...request, payload: detachBytes(request.payload), trace: span?.trace };
    this.span = span;
    this.reports = reports;
    this.bytes = request.payload.length + TASK_BYTES;
  }

  /** Invalidates the current offer, so that answers to it are ignored while the matching patterns are searched. */
  beginSearch(): void {
    this.searching = true;
    this.offer += 1;
    this.node = "";
    this.taken = false;
  }

  /** Begins an offer to a node; "" offers to a group. */
  beginOffer(node: string): void {
    this.offer += 1;
    this.taken = false;
    this.ticks = 0;
    this.checks = 0;
    this.node = node;
  }

  beginAttempt(): void {
    this.attempt += 1;
    this.grouped = false;
    this.rotation = undefined;
    this.refusals.clear();
    this.exhausted.clear();
  }

  /** Marks the current node as unresponsive, so that other nodes are tried first. */
  avoidNode(): void {
    const { node, offer } = this;
    this.avoided.add(node);
    this.abandonedOffer = { node, offer };
  }

  /** @param left - milliseconds until the deadline */
  toOffer(left: number, mayWait: boolean): Offer {
    const { attempt, excludedWorkers, number, offer, pattern, request } = this;
    const { payload } = request;
    return {
      type: "offer",
      task: number,
      offer,
      request,
      payload,
      left,
      attempt,
      pattern,
      mayWait,
      excludedWorkers: [...excludedWorkers],
    };
  }
}

/**
 * Checks a request before it becomes a task.
 * @param now - milliseconds since the epoch
 * @returns the error of an invalid or expired request
 */
export function checkRequest({ deadline, event, payload }: TaskRequest, now: number): CarillonError | undefined {
  const problem = topicProblem(event);
  if (problem !== undefined) return invalidArgument(`event ${JSON.stringify(event)} ${problem}`);
  if (payload.length > MAX_PAYLOAD_BYTES) {
    const text = `payload: ${payload.length} bytes, the limit of a task is ${MAX_PAYLOAD_BYTES}`;
    return new CarillonError("resource_exhausted", text);
  }
  // The comparison is false for NaN, which is therefore rejected.
  return deadline > now ? undefined : new CarillonError("deadline_exceeded", "not answered in time");
}
