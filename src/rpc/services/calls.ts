import type { CallPartsRequest, CallRequest, CallService, TriggerRequest } from "../../../gen/carillon/v1/call_pb.js";
import type { BackendAction } from "../../access/decide/actions.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { withResolvers } from "../../util/with-resolvers.js";
import type { Dispatch, TaskRequest } from "../../workers/dispatch.js";
import { peerDisconnected, toAbortError } from "../call-errors.js";
import type { ImplementationOf, RpcCall } from "../service.js";
import { CallAnswer } from "./call-answer.js";
import { readTaskRequest } from "./call-requests.js";

/** Action that each method needs. */
export const CALL_ACTIONS: Readonly<Record<keyof typeof CallService.method, BackendAction>> = {
  call: "call",
  callParts: "call",
  trigger: "call",
};

/** Largest complete answer, and largest queue for a caller that takes an answer part by part, in bytes. */
const MAX_ANSWER = 16 << 20;

const TOO_LARGE = `the answer is larger than ${MAX_ANSWER} bytes: use CallParts to take it part by part`;
const TOO_SLOW = `the caller reads too slowly: ${MAX_ANSWER} bytes of the answer are pending`;

export interface CallImplementationOptions {
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  /**
   * Receives triggered tasks that were accepted but not completed. Their callers have already been answered, so no one else
   * learns of them.
   */
  readonly onTaskFailed: (request: TaskRequest, error: CarillonError) => void;
}

/** carillon.v1.CallService. */
export class CallImplementation implements ImplementationOf<typeof CallService> {
  readonly #options: CallImplementationOptions;

  constructor(options: CallImplementationOptions) {
    this.#options = options;
  }

  async call(request: CallRequest, call: RpcCall) {
    const answer = new CallAnswer(MAX_ANSWER, TOO_LARGE);
    const unwatch = this.#startCall(request, call, answer);
    try {
      return { parts: await answer.readAll() };
    } finally {
      unwatch();
    }
  }

  async *callParts(request: CallPartsRequest, call: RpcCall) {
    const answer = new CallAnswer(MAX_ANSWER, TOO_SLOW);
    const unwatch = this.#startCall(request, call, answer);
    try {
      for await (const payload of answer.each()) yield { payload };
    } finally {
      unwatch();
      // A caller may also stop reading before it disconnects.
      answer.cancel(peerDisconnected());
    }
  }

  async trigger(request: TriggerRequest, call: RpcCall) {
    const { clock, dispatch, onTaskFailed } = this.#options;
    const task = readTaskRequest(request, call, false, clock.now());
    const { promise: accepted, reject, resolve } = withResolvers<void>();
    let isAccepted = false;
    const handle = dispatch.startTask(task, {
      onTaken: () => {
        isAccepted = true;
        resolve();
      },
      onPart: () => {
        // The task is done, and a trigger has no answer.
      },
      onFailed: (error) => {
        if (isAccepted) onTaskFailed(task, error);
        else reject(error);
      },
    });
    const unwatch = this.#watchCaller(call, (reason) => {
      handle.cancel();
      reject(reason);
    });
    try {
      await accepted;
    } finally {
      unwatch();
    }
    return { taskId: handle.taskId };
  }

  /** Starts a call. @returns stops watching the caller, once the call has ended */
  #startCall(request: CallRequest | CallPartsRequest, call: RpcCall, answer: CallAnswer): () => void {
    const { clock, dispatch } = this.#options;
    answer.begin(dispatch.startTask(readTaskRequest(request, call, true, clock.now()), answer));
    return this.#watchCaller(call, (reason) => {
      answer.cancel(reason);
    });
  }

  /** Calls `run` when the caller's deadline passes or it disconnects. @returns stops watching */
  #watchCaller(
    { deadline = Number.POSITIVE_INFINITY, signal }: RpcCall,
    run: (reason: CarillonError) => void,
  ): () => void {
    const onAbort = (): void => {
      const late = this.#options.clock.now() >= deadline;
      run(late ? new CarillonError("deadline_exceeded", "not answered in time") : toAbortError(signal));
    };
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    return () => {
      signal.removeEventListener("abort", onAbort);
    };
  }
}
