import type { Clock } from "../../core/ports.js";
import type { TaskTransport } from "../wire/task-transport.js";
import type { AssignedTask } from "./assigned-task.js";

/**
 * How long the asking node is not told that its task was taken, in milliseconds: most are answered before, and the answer
 * says it too.
 */
const TELL_AFTER = 20;

/** Tells asking nodes that their tasks are here. */
export class TaskUpdates {
  readonly #post: TaskTransport;
  readonly #clock: Clock;
  /** Whether a task is still here. */
  readonly #isHere: (task: AssignedTask) => boolean;
  #untold: AssignedTask[] = [];
  #cancel: (() => void) | undefined;

  constructor(post: TaskTransport, clock: Clock, isHere: (task: AssignedTask) => boolean) {
    this.#post = post;
    this.#clock = clock;
    this.#isHere = isHere;
  }

  tell(task: AssignedTask): void {
    task.told = true;
    this.#post.send(task.from, { type: "taken", ...task.about, given: task.seat !== undefined });
  }

  tellLater(task: AssignedTask): void {
    // Who asked for something to be done waits for this; others wait for the answer.
    if (!task.request.wantsAnswer) {
      this.tell(task);
      return;
    }
    this.#untold.push(task);
    this.#cancel ??= this.#clock.after(TELL_AFTER, () => {
      this.#cancel = undefined;
      const untold = this.#untold;
      this.#untold = [];
      for (const each of untold) if (!each.told && this.#isHere(each)) this.tell(each);
    });
  }

  stop(): void {
    this.#cancel?.();
  }
}
