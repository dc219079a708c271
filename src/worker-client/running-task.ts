import type { Task } from "../../gen/carillon/v1/worker_pb.js";
import { CarillonError } from "../errors.js";
import type { WorkerStreamCall } from "../outbound/worker-stream.js";
import type { WorkerAnswer, WorkerHandler, WorkerTask } from "./task.js";

/** Nodes take requests of 4 MiB, unless told otherwise, and one that is larger costs the worker its connection. */
const LARGEST_PAYLOAD = (4 << 20) - 1_024;

/** A task that a handler is at. */
export class RunningTask {
  readonly #task: Task;
  readonly #call: WorkerStreamCall;
  readonly #onError: (error: Error) => void;
  readonly #controller = new AbortController();
  /** Answered, failed, cancelled, or the connection lost: nothing is said of it any more. */
  #ended = false;
  #abandoned = false;

  constructor(task: Task, call: WorkerStreamCall, onError: (error: Error) => void) {
    this.#task = task;
    this.#call = call;
    this.#onError = onError;
  }

  /** Resolves when the handler has returned, whatever came of it. */
  async run(handler: WorkerHandler | undefined): Promise<void> {
    const { event, id: taskId } = this.#task;
    // It is in good hands for as long as this process lives: there are never more of them than the capacity.
    this.#call.send({ request: { case: "acknowledge", value: { taskId } } });
    try {
      if (handler === undefined) throw new CarillonError("unimplemented", `no handler takes event ${event}`);
      await handler(this.#given(), this.#answer());
      if (!this.#ended) this.#send(EMPTY, false);
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** Nobody waits for the answer any more. */
  abandon(reason: CarillonError): void {
    this.#ended = true;
    this.#abandoned = true;
    this.#controller.abort(reason);
  }

  #fail(cause: unknown): void {
    const isRefusal = cause instanceof CarillonError;
    // What was aborted often fails by that.
    if (!isRefusal && !this.#abandoned) this.#onError(errorOf(cause, this.#task.event));
    if (this.#ended) {
      if (isRefusal && !this.#abandoned) this.#onError(cause);
      return;
    }
    this.#ended = true;
    const { code, message } = isRefusal ? cause : new CarillonError("internal", "the worker failed");
    this.#call.send({ request: { case: "fail", value: { taskId: this.#task.id, code, message } } });
  }

  #answer(): WorkerAnswer {
    const answer = (payload: string | Uint8Array): void => {
      this.#send(bytesOf(payload), false);
    };
    const part = async (payload: string | Uint8Array): Promise<void> => {
      if (!this.#send(bytesOf(payload), true)) await this.#call.drained();
    };
    return Object.assign(answer, { part });
  }

  /** @returns whether the connection takes more */
  #send(payload: Uint8Array, more: boolean): boolean {
    // A handler need not notice that nobody waits.
    if (this.#abandoned) return true;
    if (this.#ended) throw new CarillonError("failed_precondition", `task ${this.#task.id} has been answered`);
    if (payload.length > LARGEST_PAYLOAD) {
      const text = `${payload.length} bytes are more than the ${LARGEST_PAYLOAD} that an answer, or a part of it, may have`;
      throw new CarillonError("resource_exhausted", text);
    }
    if (!more) this.#ended = true;
    return this.#call.send({ request: { case: "answer", value: { taskId: this.#task.id, payload, more } } });
  }

  #given(): WorkerTask {
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
      signal: this.#controller.signal,
    };
  }
}

const EMPTY = new Uint8Array();

function bytesOf(payload: string | Uint8Array): Uint8Array {
  return typeof payload === "string" ? Buffer.from(payload) : payload;
}

function errorOf(cause: unknown, event: string): Error {
  return cause instanceof Error ? cause : new Error(`the handler of event ${event} threw ${String(cause)}`);
}
