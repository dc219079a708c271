import { toTicks } from "../ticker.js";
import type { Check } from "../wire/task-messages.js";
import type { TaskTransport } from "../wire/task-transport.js";
import type { OutgoingTask } from "./outgoing-task.js";

/** Time within which a node must take an offered task, in milliseconds. */
const TAKEN_WITHIN = 1_000;
/** Time without a message about a task after which its node is checked, in milliseconds. */
const CHECK_AFTER = 2_000;
/** Number of unanswered checks after which the node counts as gone. */
const MAX_CHECKS = 3;
/** Maximum number of tasks in one check. */
const CHECK_SIZE = 1_000;

export interface TaskWatchdogOptions {
  /** This node. */
  readonly node: string;
  readonly transport: TaskTransport;
  /** Called when no node has taken the task in time. */
  readonly onUntaken: (task: OutgoingTask) => void;
  /** Called when the node that has the task does not answer. */
  readonly onUnanswered: (task: OutgoingTask) => void;
}

/** Finds tasks without recent messages, and checks with their nodes whether they still have them. */
export class TaskWatchdog {
  readonly #options: TaskWatchdogOptions;

  constructor(options: TaskWatchdogOptions) {
    this.#options = options;
  }

  /** Called on each tick with all tasks. */
  check(tasks: Iterable<OutgoingTask>): void {
    const { node, onUntaken, transport } = this.#options;
    const checks = new Map<string, (readonly [number, number])[]>();
    for (const task of tasks) {
      // Messages within this node are never lost, and no other node can be reached while the bus is disconnected.
      if (task.searching || task.node === node || (task.taken && !transport.up)) continue;
      task.ticks += 1;
      if (!task.taken) {
        if (task.ticks >= toTicks(TAKEN_WITHIN)) onUntaken(task);
      } else if (task.ticks >= toTicks(CHECK_AFTER)) {
        this.#addCheck(task, checks);
      }
    }
    for (const [to, checked] of checks) this.#send(to, checked);
  }

  #addCheck(task: OutgoingTask, checks: Map<string, (readonly [number, number])[]>): void {
    task.ticks = 0;
    task.checks += 1;
    if (task.checks > MAX_CHECKS) {
      this.#options.onUnanswered(task);
      return;
    }
    const checked = checks.get(task.node) ?? [];
    checked.push([task.number, task.offer]);
    checks.set(task.node, checked);
  }

  #send(node: string, tasks: Check["tasks"]): void {
    for (let begin = 0; begin < tasks.length; begin += CHECK_SIZE) {
      this.#options.transport.send(node, { type: "check", tasks: tasks.slice(begin, begin + CHECK_SIZE) });
    }
  }
}
