import { create, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Backend, BackendCredentials } from "../../access/keys/backend.js";
import { CarillonError } from "../../errors.js";
import type { ByteLease } from "../../net/byte-budget.js";
import type { AnswerLease } from "../answer-budget.js";
import type { Gatekeeper } from "../gatekeeper.js";
import { OpenStream } from "../open-stream.js";
import type { RpcCall, RpcMethod } from "../service.js";

/** A backend that has been let in, by what, and what its request holds. */
export interface ConnectCaller {
  readonly backend: Backend;
  readonly credentials: BackendCredentials;
  /** Counts the request until the method has it. */
  readonly lease: ByteLease;
  /** Counts the bytes of the answer; undefined where they are not limited. */
  readonly answerLease: AnswerLease | undefined;
  /** Milliseconds that the body took to arrive: Connect counts the deadline from its end. */
  readonly readingTime: number;
  /** Makes the request of what Connect has decoded. */
  readonly complete: (decoded: object) => object;
}

/** Where the mount puts who calls. */
export const CALLER = createContextKey<ConnectCaller | undefined>(undefined);

/** A method as Connect calls it. */
export function connectMethod(method: RpcMethod, gatekeeper: Gatekeeper) {
  return method.desc.methodKind === "server_streaming" ? streaming(method, gatekeeper) : unary(method);
}

function unary({ desc, handle }: RpcMethod) {
  return (request: object, context: HandlerContext): unknown => {
    const { answerLease, backend, complete, lease } = callerOf(context);
    const call: RpcCall = { backend, signal: context.signal, deadline: deadlineOf(context) };
    checkDeadline(call);
    try {
      const answer = handle(complete(request), call);
      return answerLease === undefined ? answer : counted(desc.output, answer, answerLease);
    } finally {
      // From here on, whatever waits is bounded where it waits.
      lease.release();
    }
  };
}

/** Counts an answer as the bytes of its protobuf: what is sent may be compressed, but costs the node as much to make. */
async function counted(output: DescMessage, answer: unknown, lease: AnswerLease): Promise<unknown> {
  const message = create(output, (await answer) as Record<string, unknown>);
  lease.spend(toBinary(output, message).length);
  lease.settle();
  return message;
}

function streaming({ action, desc, handle }: RpcMethod, gatekeeper: Gatekeeper) {
  return async function* (request: object, context: HandlerContext): AsyncGenerator {
    const { answerLease, backend, complete, credentials, lease } = callerOf(context);
    lease.release();
    const open = new OpenStream(gatekeeper, { backend, credentials, action, deadline: deadlineOf(context) });
    const abort = (): void => {
      open.abort(context.signal.reason);
    };
    context.signal.addEventListener("abort", abort);
    if (context.signal.aborted) abort();
    try {
      for await (const answer of handle(complete(request), open) as AsyncIterable<unknown>) {
        yield answerLease === undefined ? answer : await counted(desc.output, answer, answerLease);
      }
    } finally {
      context.signal.removeEventListener("abort", abort);
      open.close();
    }
  };
}

/** A call whose deadline has passed has no effect. */
function checkDeadline({ deadline = Number.POSITIVE_INFINITY }: RpcCall): void {
  if (deadline > Date.now()) return;
  throw new CarillonError("deadline_exceeded", "the deadline passed before the request was complete");
}

/** In milliseconds since the epoch. Connect has what is left of it. */
function deadlineOf(context: HandlerContext): number | undefined {
  const left = context.timeoutMs();
  return left === undefined ? undefined : Date.now() + left - callerOf(context).readingTime;
}

function callerOf({ values }: HandlerContext): ConnectCaller {
  const caller = values.get(CALLER);
  if (caller === undefined) throw new Error("a call came past the mount");
  return caller;
}
