import { topicFault } from "../../core/topic-name.js";
import { CarillonError, invalidArgument } from "../../errors.js";
import type { TaskRequest } from "../dispatch.js";
import { taskId } from "../executor/assigned-task.js";
import { detachBytes, MAX_PAYLOAD_BYTES, TASK_BYTES } from "../limits.js";
import type { Offer, Why } from "../wire/task-messages.js";
import type { CallerReports } from "./caller-reports.js";

/** A task that was requested at this node, until it has ended. */
export class OutgoingTask {
  readonly number: number;
  readonly id: string;
  readonly request: TaskRequest;
  readonly reports: CallerReports;
  /** Bytes counted against the vhost's limit. */
  readonly bytes: number;
  ended = false;
  /** Deadline, by this node's monotonic clock. */
  ends = Number.POSITIVE_INFINITY;
  /** Counts from 1. */
  attempt = 1;
  /** Number of the present offer; answers to earlier ones are ignored. */
  offer = 0;
  pattern = "";
  /** Matching patterns whose workers turned out to be gone. */
  readonly exhausted = new Set<string>();
  /** The node that was offered it, or has it; "" while the bus chooses. */
  node = "";
  /** The matching patterns are being searched, and no node is offered it. */
  searching = false;
  /** A node has taken it. */
  taken = false;
  /** Parts of the answer that were passed on. */
  parts = 0;
  /** Ticks since the last message about it. */
  ticks = 0;
  /** Checks in a row that were not answered. */
  checks = 0;
  /** Order of the nodes for a trigger, since the present attempt at the present pattern began. */
  rotation: readonly string[] | undefined;
  /** The bus may choose the node: at the first offer. */
  grouped = true;
  /** A given-up offer that may have been taken: its node is notified, unless it is offered the task again. */
  doubtful: { readonly node: string; readonly offer: number } | undefined;
  /** Refusals of the present attempt, by node. */
  readonly refusals = new Map<string, Why>();
  /** Nodes that did not answer: others are asked first. */
  readonly avoided = new Set<string>();
  /** Workers that had it earlier. */
  readonly not: string[] = [];
  cancelDeadline: (() => void) | undefined;

  constructor(node: string, number: number, request: TaskRequest, reports: CallerReports) {
    this.number = number;
    this.id = taskId(node, number);
    this.request = { ...request, payload: detachBytes(request.payload) };
    this.reports = reports;
    this.bytes = request.payload.length + TASK_BYTES;
  }

  /** Voids the present offer, and what is answered to it, while the matching patterns are searched. */
  beginSearch(): void {
    this.searching = true;
    this.offer += 1;
    this.node = "";
    this.taken = false;
  }

  /** Begins an offer to a node, or to a group for "". */
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

  /** Asks other nodes first from now on: this one did not answer. */
  avoidNode(): void {
    const { node, offer } = this;
    this.avoided.add(node);
    this.doubtful = { node, offer };
  }

  /** @param left - milliseconds until the deadline */
  toOffer(left: number, mayWait: boolean): Offer {
    const { attempt, not, number, offer, pattern, request } = this;
    const { payload } = request;
    return { type: "offer", task: number, offer, request, payload, left, attempt, pattern, mayWait, not: [...not] };
  }
}

/**
 * Checks a request before it becomes a task.
 * @param now - milliseconds since the epoch
 * @returns the error of an invalid or expired request
 */
export function checkRequest({ deadline, event, payload }: TaskRequest, now: number): CarillonError | undefined {
  const fault = topicFault(event);
  if (fault !== undefined) return invalidArgument(`event ${JSON.stringify(event)} ${fault}`);
  if (payload.length > MAX_PAYLOAD_BYTES) {
    const text = `${payload.length} bytes are more than the ${MAX_PAYLOAD_BYTES} that a task may have`;
    return new CarillonError("resource_exhausted", text);
  }
  // False for NaN, too.
  return deadline > now ? undefined : new CarillonError("deadline_exceeded", "no answer came in time");
}
