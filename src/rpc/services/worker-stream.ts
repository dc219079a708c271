import type { CarillonError } from "../../errors.js";
import type { GivenTask, WorkerConnection, WorkerRegistration } from "../../workers/dispatch.js";
import { toCancelMessage, toTaskMessage, toWelcomeMessage, type WorkResponseInit } from "./worker-messages.js";

/**
 * What one worker is told. It is told the next thing when its connection takes it, so what waits here for a worker that
 * does not read is at most the tasks that it has now: no more than its capacity, of which those who ask bound the bytes
 * (O6). A task that is cancelled before it was told is never told.
 */
export class WorkerStream implements WorkerConnection {
  #registration: WorkerRegistration | undefined;
  #welcome: WorkResponseInit | undefined;
  /** Given and not ended. */
  readonly #tasks = new Set<string>();
  /** Of these, what has not been told yet. */
  readonly #untold = new Map<string, GivenTask>();
  #cancelled: string[] = [];
  /** Set: it ends when it has no tasks, with the failure if there is one. */
  #draining: { readonly failure: CarillonError | undefined } | undefined;
  #ended = false;
  #failure: CarillonError | undefined;
  #wake: (() => void) | undefined;

  get ended(): boolean {
    return this.#ended;
  }

  /** Undefined until it is in. */
  get registration(): WorkerRegistration | undefined {
    return this.#registration;
  }

  /** It is in. */
  register(registration: WorkerRegistration, acknowledgeWithin: number): void {
    if (this.#ended) {
      registration.leave();
      return;
    }
    this.#registration = registration;
    this.#welcome = toWelcomeMessage(registration.workerId, acknowledgeWithin);
    this.#wake?.();
  }

  give(task: GivenTask): void {
    this.#tasks.add(task.id);
    this.#untold.set(task.id, task);
    this.#wake?.();
  }

  cancel(taskId: string): void {
    // Of those told before there are no more than there were tasks, and each is cancelled once.
    if (this.#tasks.has(taskId) && !this.#untold.delete(taskId)) this.#cancelled.push(taskId);
    this.done(taskId);
    this.#wake?.();
  }

  /** The worker has ended a task. */
  done(taskId: string): void {
    this.#untold.delete(taskId);
    this.#tasks.delete(taskId);
    this.#endIfDrained();
  }

  /**
   * It gets no new tasks; when it has ended those that it has, the stream ends.
   * @param failure - with which it ends; undefined: well
   */
  drain(failure?: CarillonError): void {
    this.#draining ??= { failure };
    this.#registration?.drain();
    this.#endIfDrained();
  }

  /** What it has goes to others. @param failure - undefined: it ends well */
  end(failure?: CarillonError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#untold.clear();
    this.#registration?.leave();
    this.#wake?.();
  }

  /** What the worker is told, until the stream has ended. @throws the failure with which it ends */
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
    const welcome = this.#welcome;
    if (welcome !== undefined) {
      this.#welcome = undefined;
      return welcome;
    }
    const cancelled = this.#cancelled.shift();
    if (cancelled !== undefined) return toCancelMessage(cancelled);
    for (const [id, task] of this.#untold) {
      this.#untold.delete(id);
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
