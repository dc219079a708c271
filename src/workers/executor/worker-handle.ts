import type { WorkerConnection, WorkerHello } from "../dispatch.js";
import type { AssignedTask } from "./assigned-task.js";

/** What a task asks of the worker that gets it. */
export interface TaskNeeds {
  /** Workers that have had it: no one gets a task twice. */
  readonly not: readonly string[];
  readonly request: { readonly wantsAnswer: boolean };
}

/** A worker of this node. */
export class WorkerHandle {
  readonly id: string;
  readonly hello: WorkerHello;
  readonly connection: WorkerConnection;
  /** What it has, by id. */
  readonly tasks = new Map<string, AssignedTask>();
  /** Not before it knows that it is in: its first word is the welcome. */
  welcome = false;
  /** No new tasks. */
  leaving = false;
  /** Left a task unacknowledged, and has said nothing since: it gets no other, whatever its capacity. */
  silent = false;

  constructor(id: string, hello: WorkerHello, connection: WorkerConnection) {
    this.id = id;
    this.hello = hello;
    this.connection = connection;
  }

  /** Whether it says what has come of a task; otherwise it gets triggers only. */
  get answers(): boolean {
    return this.hello.answers !== false;
  }

  /** Whether it may have the task. */
  suits({ not, request }: TaskNeeds): boolean {
    return (this.answers || !request.wantsAnswer) && !not.includes(this.id);
  }

  /** How many tasks it would take now. */
  get free(): number {
    if (!this.welcome || this.leaving || this.silent) return 0;
    return this.hello.capacity - this.tasks.size;
  }
}
