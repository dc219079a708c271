import type { Caller, TaskRequest } from "../dispatch.js";
import { taskId } from "../executor/assigned-task.js";
import { TASK_BYTES } from "../limits.js";
import { detachBytes } from "../wire/detach-bytes.js";
import type { Offer, Why } from "../wire/task-messages.js";

/** A task that was asked at this node, until it has ended. */
export class OutgoingTask {
  readonly number: number;
  readonly id: string;
  readonly request: TaskRequest;
  readonly asker: Caller;
  /** What it counts as. */
  readonly bytes: number;
  ended = false;
  /** When its asker gives up, by this node's monotonic clock. */
  ends = Number.POSITIVE_INFINITY;
  /** 1 the first time. */
  attempt = 1;
  /** Of the offer that is under way: what is said of earlier ones is not heeded. */
  offer = 0;
  pattern = "";
  /** Patterns that match, and whose workers turned out to be gone. */
  readonly spent = new Set<string>();
  /** The node that was offered it, or has it; "" while the bus chooses. */
  node = "";
  /** The patterns that match are being found: no node is offered it. */
  searching = false;
  /** A node has taken it. */
  taken = false;
  /** The asker was told so. */
  told = false;
  /** The asker was told that a worker has it. */
  given = false;
  /** Parts of the answer that were passed on. */
  parts = 0;
  /** Looks since anything was heard of it. */
  ticks = 0;
  /** Questions after it that were not answered. */
  checks = 0;
  /** Of what goes to all nodes in turn, since the present attempt at the present pattern began. */
  turn: readonly string[] | undefined;
  /** The bus may choose who gets it: at the first offer. */
  grouped = true;
  /** An offer that was given up and may have been taken: the node is told, unless it is offered the task again. */
  doubtful: { readonly node: string; readonly offer: number } | undefined;
  readonly said = new Map<string, Why>();
  readonly shunned = new Set<string>();
  /** Workers that have had it. */
  readonly not: string[] = [];
  cancelDeadline: (() => void) | undefined;

  constructor(node: string, number: number, request: TaskRequest, asker: Caller) {
    this.number = number;
    this.id = taskId(node, number);
    this.request = { ...request, payload: detachBytes(request.payload) };
    this.asker = asker;
    this.bytes = request.payload.length + TASK_BYTES;
  }

  /** Begins a search for somebody else: the offer before is void, and so is what is said of it. */
  search(): void {
    this.searching = true;
    this.offer += 1;
    this.node = "";
    this.taken = false;
  }

  /** @param left - milliseconds */
  toOffer(left: number, mayWait: boolean): Offer {
    const { attempt, not, number, offer, pattern, request } = this;
    const { payload } = request;
    return { type: "offer", task: number, offer, request, payload, left, attempt, pattern, mayWait, not: [...not] };
  }
}
