import type { WorkerConnection, WorkerHello } from "../dispatch.js";
import type { AssignedTask } from "./assigned-task.js";

/** Requirements of a task on its worker. */
export interface TaskNeeds {
  /** Workers that already had the task, because no worker gets a task twice. */
  readonly excludedWorkers: readonly string[];
  readonly request: { readonly wantsAnswer: boolean };
}

/** A worker that is connected to this node. */
export class WorkerHandle {
  readonly id: string;
  readonly hello: WorkerHello;
  readonly connection: WorkerConnection;
  /** Its tasks, by id. */
  readonly tasks = new Map<string, AssignedTask>();
  /** Whether its registration was answered. It gets no tasks before. */
  registered = false;
  /** Whether it drains or has left, and gets no new tasks. */
  draining = false;
  /** Whether it left a task unacknowledged and has sent nothing since. It then gets no tasks, whatever its capacity. */
  silent = false;

  constructor(id: string, hello: WorkerHello, connection: WorkerConnection) {
    this.id = id;
    this.hello = hello;
    this.connection = connection;
  }

  /** Whether it reports the outcomes of tasks; otherwise it gets triggers only. */
  get answers(): boolean {
    return this.hello.answers !== false;
  }

  /** Whether it may get the task. */
  suits({ excludedWorkers, request }: TaskNeeds): boolean {
    return (this.answers || !request.wantsAnswer) && !excludedWorkers.includes(this.id);
  }

  /** Number of tasks that it could take now. */
  get free(): number {
    if (!this.registered || this.draining || this.silent) return 0;
    return this.hello.capacity - this.tasks.size;
  }
}
