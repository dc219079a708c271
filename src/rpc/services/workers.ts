import type { WorkerService, WorkRequest } from "../../../gen/carillon/v1/worker_pb.js";
import type { BackendAction } from "../../access/decide/actions.js";
import type { Backend } from "../../access/keys/backend.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError, invalidArgument } from "../../errors.js";
import type { Dispatch, WorkerRegistration } from "../../workers/dispatch.js";
import type { ImplementationOf, RpcCall } from "../service.js";
import { checkTaskId, readFailure, readHello, type WorkResponseInit } from "./worker-messages.js";
import { WorkerStream } from "./worker-stream.js";

/** What each method needs. */
export const WORKER_ACTIONS: Readonly<Record<keyof typeof WorkerService.method, BackendAction>> = { work: "work" };

/** In which a worker must have said hello, in milliseconds. */
const HELLO_WITHIN = 10_000;

export interface WorkerImplementationOptions {
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  /** What workers are told of the dispatch's own, in milliseconds. */
  readonly acknowledgeWithin: number;
}

/** carillon.v1.WorkerService: each stream is one worker. */
export class WorkerImplementation implements ImplementationOf<typeof WorkerService> {
  readonly #options: WorkerImplementationOptions;
  readonly #streams = new Set<WorkerStream>();
  #stopping = false;

  constructor(options: WorkerImplementationOptions) {
    this.#options = options;
  }

  async *work(requests: AsyncIterable<WorkRequest>, { backend, signal }: RpcCall): AsyncGenerator<WorkResponseInit> {
    if (this.#stopping) throw stopping();
    const stream = new WorkerStream();
    this.#streams.add(stream);
    const onAbort = (): void => {
      stream.end(reasonOf(signal));
    };
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    this.#read(requests, stream, backend).catch((cause: unknown) => {
      stream.end(CarillonError.from(cause));
    });
    try {
      yield* stream.responses();
    } finally {
      signal.removeEventListener("abort", onAbort);
      stream.end();
      this.#streams.delete(stream);
    }
  }

  /** Workers get no new tasks, and none are let in. The stream of each ends when it has ended those that it has. */
  drain(): void {
    this.#stopping = true;
    for (const stream of this.#streams) stream.drain(stopping());
  }

  /** Ends the streams that are open: what their workers have goes to others. */
  stop(): void {
    this.#stopping = true;
    for (const stream of this.#streams) stream.end(stopping());
  }

  async #read(requests: AsyncIterable<WorkRequest>, stream: WorkerStream, backend: Backend): Promise<void> {
    const { acknowledgeWithin, clock, dispatch } = this.#options;
    const cancelPatience = clock.after(HELLO_WITHIN, () => {
      stream.end(new CarillonError("deadline_exceeded", `hello: it did not come within ${HELLO_WITHIN / 1_000} s`));
    });
    try {
      for await (const request of requests) {
        if (stream.ended) return;
        if (stream.registration !== undefined) {
          take(request, stream, stream.registration);
          continue;
        }
        cancelPatience();
        stream.register(await dispatch.enter(readHello(request, backend), stream), acknowledgeWithin);
      }
      // Nothing that it has can be answered any more.
      stream.end();
    } finally {
      cancelPatience();
    }
  }
}

/** @throws CarillonError invalid_argument: nothing that a worker can say */
function take({ request }: WorkRequest, stream: WorkerStream, registration: WorkerRegistration): void {
  switch (request.case) {
    case "acknowledge":
      registration.acknowledge(checkTaskId("acknowledge.task_id", request.value.taskId));
      break;
    case "answer": {
      const { more, payload } = request.value;
      const id = checkTaskId("answer.task_id", request.value.taskId);
      registration.answer(id, payload, more);
      if (!more) stream.done(id);
      break;
    }
    case "fail": {
      const id = checkTaskId("fail.task_id", request.value.taskId);
      registration.fail(id, readFailure(request.value));
      stream.done(id);
      break;
    }
    case "drain":
      stream.drain();
      break;
    case "hello":
      throw invalidArgument("hello: it has come before");
    case undefined:
      throw invalidArgument("request: acknowledge, answer, fail or drain is needed");
  }
}

function stopping(): CarillonError {
  return new CarillonError("unavailable", "this node is stopping");
}

function reasonOf({ reason }: AbortSignal): CarillonError {
  return reason instanceof CarillonError ? reason : new CarillonError("cancelled", "the worker is gone");
}
