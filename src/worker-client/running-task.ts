import type { Task } from "../../gen/carillon/v1/worker_pb.js";
import { CarillonError } from "../errors.js";
import type { WorkerStreamCall } from "../outbound/worker-stream.js";
import type { WorkerAnswer, WorkerHandler, WorkerTask } from "./task.js";

/** Largest payload, in bytes. Nodes accept requests of 4 MiB by default; a larger one costs the worker its connection. */
const MAX_PAYLOAD = (4 << 20) - 1_024;

/** Task in progress. */
export class RunningTask {
  readonly #task: Task;
  readonly #call: WorkerStreamCall;
  readonly #onError: (error: Error) => void;
  readonly #controller = new AbortController();
  /** Set once the task was answered, failed or cancelled, or the connection was lost: nothing more is sent about it. */
  #ended = false;
  #abandoned = false;

  constructor(task: Task, call: WorkerStreamCall, onError: (error: Error) => void) {
    this.#task = task;
    this.#call = call;
    this.#onError = onError;
  }

  /** Runs the handler, and sends its answer or failure. Resolves when the handler has returned. */
  async run(handler: WorkerHandler | undefined): Promise<void> {
    const { event, id: taskId } = this.#task;
    // Every task is acknowledged at once, because it starts at once: the node never assigns more than the capacity.
    this.#call.send({ request: { case: "acknowledge", value: { taskId } } });
    try {
      if (handler === undefined) throw new CarillonError("unimplemented", `no handler for event ${event}`);
      await handler(this.#toWorkerTask(), this.#createAnswer());
      if (!this.#ended) this.#send(EMPTY, false);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** Aborts the task because the caller no longer waits for its answer, or because the connection has ended. */
  abandon(reason: CarillonError): void {
    this.#ended = true;
    this.#abandoned = true;
    this.#controller.abort(reason);
  }

  #fail(cause: unknown): void {
    const isRefusal = cause instanceof CarillonError;
    // An aborted handler usually fails because of the abort, so its error is not reported.
    if (!isRefusal && !this.#abandoned) this.#onError(toError(cause, this.#task.event));
    if (this.#ended) {
      if (isRefusal && !this.#abandoned) this.#onError(cause);
      return;
    }
    this.#ended = true;
    const { code, message } = isRefusal ? cause : new CarillonError("internal", "the worker failed");
    this.#call.send({ request: { case: "fail", value: { taskId: this.#task.id, code, message } } });
  }

  #createAnswer(): WorkerAnswer {
    const answer = (payload: string | Uint8Array): void => {
      this.#send(toBytes(payload), false);
    };
    const part = async (payload: string | Uint8Array): Promise<void> => {
      if (!this.#send(toBytes(payload), true)) await this.#call.drained();
    };
    return Object.assign(answer, { part });
  }

  /** @returns whether the connection accepts more */
  #send(payload: Uint8Array, more: boolean): boolean {
    // A handler may not have noticed that it was aborted.
    if (this.#abandoned) return true;
    if (this.#ended) throw new CarillonError("failed_precondition", `task ${this.#task.id} was already answered`);
    if (payload.length > MAX_PAYLOAD) {
      const text = `payload too large: ${payload.length} bytes, the limit of an answer or a part is ${MAX_PAYLOAD}`;
      throw new CarillonError("resource_exhausted", text);
    }
    if (!more) this.#ended = true;
    return this.#call.send({ request: { case: "answer", value: { taskId: this.#task.id, payload, more } } });
  }

  #toWorkerTask(): WorkerTask {
    const {
      attempt,
      connectionId,
      deadline,
      event,
      id,
      info = {},
      infoJson,
      payload,
      topic,
      traceparent,
      user,
      wantsAnswer,
    } = this.#task;
    const text = (): string => Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("utf8");
    return {
      id,
      event,
      payload,
      text,
      json: () => JSON.parse(text()) as unknown,
      topic,
      connectionId,
      user,
      info,
      infoJson,
      attempt,
      deadline: deadline === undefined ? 0 : Number(deadline.seconds) * 1_000 + Math.floor(deadline.nanos / 1_000_000),
      wantsAnswer,
      traceparent,
      signal: this.#controller.signal,
    };
  }
}

const EMPTY = new Uint8Array();

function toBytes(payload: string | Uint8Array): Uint8Array {
  return typeof payload === "string" ? Buffer.from(payload) : payload;
}

function toError(cause: unknown, event: string): Error {
  return cause instanceof Error ? cause : new Error(`the handler of event ${event} threw ${String(cause)}`);
}
