import type { CallPartsRequest, CallRequest, CallService, TriggerRequest } from "../../../gen/carillon/v1/call_pb.js";
import type { BackendAction } from "../../access/decide/actions.js";
import type { Clock } from "../../core/ports.js";
import { CarillonError } from "../../errors.js";
import { withResolvers } from "../../util/with-resolvers.js";
import type { Dispatch, TaskRequest } from "../../workers/dispatch.js";
import type { ImplementationOf, RpcCall } from "../service.js";
import { CallAnswer } from "./call-answer.js";
import { readTaskRequest } from "./call-requests.js";

/** What each method needs. */
export const CALL_ACTIONS: Readonly<Record<keyof typeof CallService.method, BackendAction>> = {
  call: "call",
  callParts: "call",
  trigger: "call",
};

/** The largest whole answer, and what may wait for a caller that takes it part by part, in bytes. */
const MAX_ANSWER = 16 << 20;

const TOO_LARGE = `the answer is larger than ${MAX_ANSWER} bytes: CallParts takes it part by part`;
const TOO_SLOW = `the caller is too slow: ${MAX_ANSWER} bytes of the answer wait for it`;

export interface CallImplementationOptions {
  readonly dispatch: Dispatch;
  readonly clock: Clock;
  /** Told of what was triggered, taken, and not done: nobody else is. */
  readonly onUndone: (request: TaskRequest, error: CarillonError) => void;
}

/** carillon.v1.CallService. */
export class CallImplementation implements ImplementationOf<typeof CallService> {
  readonly #options: CallImplementationOptions;

  constructor(options: CallImplementationOptions) {
    this.#options = options;
  }

  async call(request: CallRequest, call: RpcCall) {
    const answer = new CallAnswer(MAX_ANSWER, TOO_LARGE);
    const letGo = this.#ask(request, call, answer);
    try {
      return { parts: await answer.whole() };
    } finally {
      letGo();
    }
  }

  async *callParts(request: CallPartsRequest, call: RpcCall) {
    const answer = new CallAnswer(MAX_ANSWER, TOO_SLOW);
    const letGo = this.#ask(request, call, answer);
    try {
      for await (const payload of answer.each()) yield { payload };
    } finally {
      letGo();
      // Whoever stops reading for another reason than that the caller is gone wants no more of it either.
      answer.cancel(gone());
    }
  }

  async trigger(request: TriggerRequest, call: RpcCall) {
    const { clock, dispatch, onUndone } = this.#options;
    const task = readTaskRequest(request, call, false, clock.now());
    const { promise: taken, reject, resolve } = withResolvers<void>();
    let isTaken = false;
    const asked = dispatch.ask(task, {
      onTaken: () => {
        isTaken = true;
        resolve();
      },
      onPart: () => {
        // It is done, and nobody waits for more.
      },
      onFailed: (error) => {
        if (isTaken) onUndone(task, error);
        else reject(error);
      },
    });
    const letGo = this.#onGone(call, (reason) => {
      asked.cancel();
      reject(reason);
    });
    try {
      await taken;
    } finally {
      letGo();
    }
    return { taskId: asked.taskId };
  }

  /** @returns to be called when it has ended */
  #ask(request: CallRequest | CallPartsRequest, call: RpcCall, answer: CallAnswer): () => void {
    const { clock, dispatch } = this.#options;
    answer.begin(dispatch.ask(readTaskRequest(request, call, true, clock.now()), answer));
    return this.#onGone(call, (reason) => {
      answer.cancel(reason);
    });
  }

  /** Calls when nobody waits any more. @returns ends it */
  #onGone({ deadline = Number.POSITIVE_INFINITY, signal }: RpcCall, run: (reason: CarillonError) => void): () => void {
    const onAbort = (): void => {
      const late = this.#options.clock.now() >= deadline;
      run(late ? new CarillonError("deadline_exceeded", "no answer came in time") : refusalOf(signal));
    };
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    return () => {
      signal.removeEventListener("abort", onAbort);
    };
  }
}

/** The backend may no longer have it, or is gone. */
function refusalOf({ reason }: AbortSignal): CarillonError {
  return reason instanceof CarillonError ? reason : gone();
}

function gone(): CarillonError {
  return new CarillonError("cancelled", "the caller is gone");
}
