import type { Task, WorkResponse } from "../../gen/carillon/v1/worker_pb.js";
import { CarillonError } from "../errors.js";
import type { WorkerStreamCall, WorkerStreamClient } from "../outbound/worker-stream.js";
import { withResolvers } from "../util/with-resolvers.js";
import type { Handlers } from "./handlers.js";
import { RunningTask } from "./running-task.js";

export interface WorkerSessionOptions {
  readonly client: WorkerStreamClient;
  readonly handlers: Handlers;
  readonly hello: { readonly capacity: number; readonly name: string };
  readonly onError: (error: Error) => void;
  readonly onWelcome: () => void;
}

/** Connection of a worker, from its hello to its end. */
export class WorkerSession {
  readonly #options: WorkerSessionOptions;
  readonly #tasks = new Map<string, RunningTask>();
  readonly #call: WorkerStreamCall;
  /** Resolves when the connection has ended, with the failure; undefined: it ended with OK. */
  readonly ended: Promise<CarillonError | undefined>;

  constructor(options: WorkerSessionOptions) {
    this.#options = options;
    const { promise, resolve } = withResolvers<CarillonError | undefined>();
    this.ended = promise;
    this.#call = options.client.open({
      onResponse: ({ response }) => {
        this.#receive(response);
      },
      onEnd: (failure) => {
        this.#abandon(new CarillonError("unavailable", "connection lost: the task goes to another worker"));
        resolve(failure);
      },
    });
    const { capacity, name } = options.hello;
    this.#call.send({ request: { case: "hello", value: { events: options.handlers.patterns, capacity, name } } });
  }

  /** Accepts no new tasks, and ends the connection when the current ones have ended. */
  drain(): void {
    this.#call.send({ request: { case: "drain", value: {} } });
  }

  /** Ends the connection at once. Its tasks are assigned to other workers. */
  cancel(): void {
    this.#abandon(new CarillonError("unavailable", "the worker is stopping"));
    this.#call.cancel();
  }

  #receive(response: WorkResponse["response"]): void {
    switch (response.case) {
      case "welcome":
        this.#options.onWelcome();
        break;
      case "task":
        this.#run(response.value);
        break;
      case "cancel":
        this.#cancelTask(response.value.taskId);
        break;
      case undefined:
      // Ignores messages of later versions.
    }
  }

  #run(task: Task): void {
    const { handlers, onError } = this.#options;
    const running = new RunningTask(task, this.#call, onError);
    this.#tasks.set(task.id, running);
    running
      .run(handlers.find(task.event))
      .finally(() => {
        if (this.#tasks.get(task.id) === running) this.#tasks.delete(task.id);
      })
      .catch(onError);
  }

  #cancelTask(id: string): void {
    this.#tasks.get(id)?.abandon(new CarillonError("cancelled", "the caller no longer waits for the answer"));
    this.#tasks.delete(id);
  }

  #abandon(reason: CarillonError): void {
    for (const task of this.#tasks.values()) task.abandon(reason);
    this.#tasks.clear();
  }
}
