import type { WorkerService, WorkRequest } from "../../../gen/carillon/v1/worker_pb.js";
import type { BackendAction } from "../../access/decide/actions.js";
import type { Backend } from "../../access/keys/backend.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError, invalidArgument } from "../../errors.js";
import type { Dispatch, WorkerRegistration } from "../../workers/dispatch.js";
import { nodeStopping, toAbortError } from "../call-errors.js";
import type { ImplementationOf, RpcCall } from "../service.js";
import { checkTaskId, readFailure, readHello, type WorkResponseInit } from "./worker-messages.js";
import { WorkerStream } from "./worker-stream.js";

/** Action that each method needs. */
export const WORKER_ACTIONS: Readonly<Record<keyof typeof WorkerService.method, BackendAction>> = {
  work: "work",
  listWorkers: "work",
};

/** Milliseconds within which a worker must send its hello. */
const HELLO_WITHIN = 10_000;

export interface WorkerImplementationOptions {
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  /** Milliseconds within which workers must acknowledge a task, as the dispatch enforces it. */
  readonly acknowledgeWithin: number;
}

/** Implements carillon.v1.WorkerService. Each stream is one worker. */
export class WorkerImplementation implements ImplementationOf<typeof WorkerService> {
  readonly #options: WorkerImplementationOptions;
  readonly #streams = new Set<WorkerStream>();
  #stopping = false;

  constructor(options: WorkerImplementationOptions) {
    this.#options = options;
  }

  async *work(requests: AsyncIterable<WorkRequest>, { backend, signal }: RpcCall): AsyncGenerator<WorkResponseInit> {
    if (this.#stopping) throw nodeStopping();
    const stream = new WorkerStream();
    this.#streams.add(stream);
    const onAbort = (): void => {
      stream.end(toAbortError(signal, "worker"));
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

  async listWorkers(_request: object, { backend }: Pick<RpcCall, "backend">) {
    const { missing, more, workers } = await this.#options.dispatch.list(backend.vhost);
    return {
      workers: workers.map(({ answers, events, ...same }) => ({
        ...same,
        events: [...events],
        triggersOnly: !answers,
      })),
      more,
      missingNodes: [...missing],
    };
  }

  /** Stops assigning tasks and refuses new workers. Each stream ends when its current tasks have ended. */
  drain(): void {
    this.#stopping = true;
    for (const stream of this.#streams) stream.drain(nodeStopping());
  }

  /** Ends all streams; their tasks are assigned to other workers. */
  stop(): void {
    this.#stopping = true;
    for (const stream of this.#streams) stream.end(nodeStopping());
  }

  async #read(requests: AsyncIterable<WorkRequest>, stream: WorkerStream, backend: Backend): Promise<void> {
    const { acknowledgeWithin, clock, dispatch } = this.#options;
    const cancelTimeout = clock.after(HELLO_WITHIN, () => {
      stream.end(new CarillonError("deadline_exceeded", `hello: not received within ${HELLO_WITHIN / 1_000} s`));
    });
    try {
      for await (const request of requests) {
        if (stream.ended) return;
        if (stream.registration !== undefined) {
          handleRequest(request, stream, stream.registration);
          continue;
        }
        cancelTimeout();
        stream.register(await dispatch.registerWorker(readHello(request, backend), stream), acknowledgeWithin);
      }
      // The worker has half-closed the stream and can no longer answer its tasks.
      stream.end();
    } finally {
      cancelTimeout();
    }
  }
}

/** @throws CarillonError invalid_argument: not a valid message of a registered worker */
function handleRequest({ request }: WorkRequest, stream: WorkerStream, registration: WorkerRegistration): void {
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
      throw invalidArgument("hello: sent twice");
    case undefined:
      throw invalidArgument("request: expected acknowledge, answer, fail or drain");
  }
}
