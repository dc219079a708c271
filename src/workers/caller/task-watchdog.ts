import { toTicks } from "../ticker.js";
import type { Check } from "../wire/task-messages.js";
import type { TaskTransport } from "../wire/task-transport.js";
import type { OutgoingTask } from "./outgoing-task.js";

/** In which a node must have taken what it was offered, in milliseconds. */
const TAKEN_WITHIN = 1_000;
/** After so long without a word of a task that another node has, that node is asked. */
const CHECK_AFTER = 2_000;
/** So often in vain, and the node does not have it. */
const MAX_CHECKS = 3;
/** Tasks of one such question. */
const CHECK_SIZE = 1_000;

export interface TaskWatchdogOptions {
  /** This node. */
  readonly node: string;
  readonly post: TaskTransport;
  /** Nobody has taken it. */
  readonly onUntaken: (task: OutgoingTask) => void;
  /** The node that has it does not answer. */
  readonly onUnanswered: (task: OutgoingTask) => void;
}

/** Looks for tasks of which nothing is heard, and asks after them. */
export class TaskWatchdog {
  readonly #options: TaskWatchdogOptions;

  constructor(options: TaskWatchdogOptions) {
    this.#options = options;
  }

  look(tasks: Iterable<OutgoingTask>): void {
    const { node, onUntaken, post } = this.#options;
    const questions = new Map<string, (readonly [number, number])[]>();
    for (const task of tasks) {
      // What this node has itself is not lost on the way; what others say cannot be heard while the bus is away.
      if (task.searching || task.node === node || (task.taken && !post.up)) continue;
      task.ticks += 1;
      if (!task.taken) {
        if (task.ticks >= toTicks(TAKEN_WITHIN)) onUntaken(task);
      } else if (task.ticks >= toTicks(CHECK_AFTER)) {
        this.#ask(task, questions);
      }
    }
    for (const [to, asked] of questions) this.#send(to, asked);
  }

  #ask(task: OutgoingTask, questions: Map<string, (readonly [number, number])[]>): void {
    task.ticks = 0;
    task.checks += 1;
    if (task.checks > MAX_CHECKS) {
      this.#options.onUnanswered(task);
      return;
    }
    const asked = questions.get(task.node) ?? [];
    asked.push([task.number, task.offer]);
    questions.set(task.node, asked);
  }

  #send(node: string, tasks: Check["tasks"]): void {
    for (let begin = 0; begin < tasks.length; begin += CHECK_SIZE) {
      this.#options.post.send(node, { type: "check", tasks: tasks.slice(begin, begin + CHECK_SIZE) });
    }
  }
}
