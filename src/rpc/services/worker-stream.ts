import type { CarillonError } from "../../errors.js";
import type { TaskAssignment, WorkerConnection, WorkerRegistration } from "../../workers/dispatch.js";
import { toCancelMessage, toTaskMessage, toWelcomeMessage, type WorkResponseInit } from "./worker-messages.js";

/**
 * Queue of messages to one worker. Each message is sent when the connection accepts it. A worker that does not read has at
 * most its capacity of tasks queued, whose bytes the limits of the callers bound (O6). A task that is cancelled while it is
 * queued is never sent.
 */
export class WorkerStream implements WorkerConnection {
  #registration: WorkerRegistration | undefined;
  #welcomeMessage: WorkResponseInit | undefined;
  /** Tasks assigned and not ended. */
  readonly #tasks = new Set<string>();
  /** Assigned tasks that have not been sent. */
  readonly #unsent = new Map<string, TaskAssignment>();
  #cancelled: string[] = [];
  /** Set while the stream drains: it ends when it has no tasks, with the failure if there is one. */
  #draining: { readonly failure: CarillonError | undefined } | undefined;
  #ended = false;
  #failure: CarillonError | undefined;
  #wake: (() => void) | undefined;

  get ended(): boolean {
    return this.#ended;
  }

  /** Registration of the worker; undefined until it is registered. */
  get registration(): WorkerRegistration | undefined {
    return this.#registration;
  }

  /** Completes the registration and welcomes the worker. */
  register(registration: WorkerRegistration, acknowledgeWithin: number): void {
    if (this.#ended) {
      registration.unregister();
      return;
    }
    this.#registration = registration;
    this.#welcomeMessage = toWelcomeMessage(registration.workerId, acknowledgeWithin);
    this.#wake?.();
  }

  assign(task: TaskAssignment): void {
    this.#tasks.add(task.id);
    this.#unsent.set(task.id, task);
    this.#wake?.();
  }

  cancel(taskId: string): void {
    // Each task is cancelled at most once, so there are never more cancellations queued than tasks were sent.
    if (this.#tasks.has(taskId) && !this.#unsent.delete(taskId)) this.#cancelled.push(taskId);
    this.done(taskId);
    this.#wake?.();
  }

  /** Removes a task that the worker has ended. */
  done(taskId: string): void {
    this.#unsent.delete(taskId);
    this.#tasks.delete(taskId);
    this.#endIfDrained();
  }

  /**
   * Stops assigning tasks, and ends the stream when the current ones have ended.
   * @param failure - error with which the stream ends; undefined: OK
   */
  drain(failure?: CarillonError): void {
    this.#draining ??= { failure };
    this.#registration?.drain();
    this.#endIfDrained();
  }

  /** Ends the stream; its tasks are assigned to other workers. @param failure - undefined: OK */
  end(failure?: CarillonError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#unsent.clear();
    this.#registration?.unregister();
    this.#wake?.();
  }

  /** Yields the messages to the worker until the stream ends. @throws the failure with which it ends */
  async *responses(): AsyncGenerator<WorkResponseInit> {
    for (;;) {
      const next = this.#next();
      if (next !== undefined) {
        yield next;
        continue;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return;
      await this.#changed();
    }
  }

  #next(): WorkResponseInit | undefined {
    const message = this.#welcomeMessage;
    if (message !== undefined) {
      this.#welcomeMessage = undefined;
      return message;
    }
    const cancelled = this.#cancelled.shift();
    if (cancelled !== undefined) return toCancelMessage(cancelled);
    for (const [id, task] of this.#unsent) {
      this.#unsent.delete(id);
      return toTaskMessage(task);
    }
    return undefined;
  }

  #endIfDrained(): void {
    if (this.#draining !== undefined && this.#tasks.size === 0) this.end(this.#draining.failure);
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}
