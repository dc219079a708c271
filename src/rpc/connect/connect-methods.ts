import type { ServerResponse } from "node:http";
import { create, type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { Backend, BackendCredentials } from "../../access/keys/backend.js";
import { CarillonError } from "../../errors.js";
import type { ByteLease } from "../../net/byte-budget.js";
import type { AnswerLease } from "../answer-budget.js";
import type { CallAuthorizer } from "../call-authorizer.js";
import { toAbortError } from "../call-errors.js";
import { OpenStream } from "../open-stream.js";
import type { RpcCall, RpcMethod } from "../service.js";

/** Backend that may call a method. */
export interface AdmittedCaller {
  readonly backend: Backend;
  readonly credentials: BackendCredentials;
  /** Counts the request until the method receives it. */
  readonly lease: ByteLease;
  /** Counts the bytes of the answer; undefined if they are not limited. */
  readonly answerLease: AnswerLease | undefined;
}

/** Returns the leases of a caller at the end of the response. */
export function releaseOnClose({ answerLease, lease }: AdmittedCaller, response: ServerResponse): void {
  response.once("close", () => {
    answerLease?.settle();
    // The promise of connect-node's answer never settles.
    lease.release();
  });
}

/** Admitted backend with its request. */
export interface ConnectCaller extends AdmittedCaller {
  /** Milliseconds that the body took to arrive, because Connect counts the deadline from its end. */
  readonly readingTime: number;
  /** Replaces the message that Connect has decoded by the real request. */
  readonly complete: (decoded: object) => object;
}

/** Context key under which the mount stores the caller. */
export const CALLER = createContextKey<ConnectCaller | undefined>(undefined);

/** Converts a method to a Connect handler. */
export function toConnectHandler(method: RpcMethod, authorizer: CallAuthorizer) {
  return method.desc.methodKind === "server_streaming" ? streamingHandler(method, authorizer) : unaryHandler(method);
}

function unaryHandler({ desc, handle }: RpcMethod) {
  return (request: object, context: HandlerContext): unknown => {
    const { answerLease, backend, complete, lease } = findCaller(context);
    const call: RpcCall = {
      backend,
      deadline: readDeadline(context),
      // Only for the few methods that watch it.
      get signal() {
        return toCallSignal(context.signal);
      },
    };
    checkDeadline(call);
    try {
      const answer = handle(complete(request), call);
      return answerLease === undefined ? answer : countAnswer(desc.output, answer, answerLease);
    } finally {
      // From here on, the method itself bounds what it queues.
      lease.release();
    }
  };
}

/** Decoded answers of streams, by their bytes. */
const decodedAnswers = new WeakMap<Buffer, Message>();

/** Decodes an encoded answer for Connect, which takes messages only. Streams that share the bytes share the message. */
function decodeShared(output: DescMessage, answer: Buffer): Message {
  let message = decodedAnswers.get(answer);
  if (message === undefined) {
    message = fromBinary(output, answer);
    decodedAnswers.set(answer, message);
  }
  return message;
}

/** Counts an answer by the size of its protobuf: compression makes it smaller, but not cheaper to make. */
async function countAnswer(output: DescMessage, answer: unknown, lease: AnswerLease): Promise<unknown> {
  const message = create(output, (await answer) as Record<string, unknown>);
  lease.spend(toBinary(output, message).length);
  lease.settle();
  return message;
}

function streamingHandler({ action, desc, handle }: RpcMethod, authorizer: CallAuthorizer) {
  return async function* (request: object, context: HandlerContext): AsyncGenerator {
    const { answerLease, backend, complete, credentials, lease } = findCaller(context);
    lease.release();
    const open = new OpenStream(authorizer, { backend, credentials, action, deadline: readDeadline(context) });
    const abort = (): void => {
      open.abort(toCallError(context.signal));
    };
    context.signal.addEventListener("abort", abort);
    if (context.signal.aborted) abort();
    try {
      for await (const answer of handle(complete(request), open) as AsyncIterable<unknown>) {
        if (Buffer.isBuffer(answer)) yield decodeShared(desc.output, answer);
        else yield answerLease === undefined ? answer : await countAnswer(desc.output, answer, answerLease);
      }
    } finally {
      context.signal.removeEventListener("abort", abort);
      open.close();
    }
  };
}

/** Returns the signal of a call, whose reason is an error of ours. */
function toCallSignal(signal: AbortSignal): AbortSignal {
  const call = new AbortController();
  const abort = (): void => {
    call.abort(toCallError(signal));
  };
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
  return call.signal;
}

/** Returns the error with which Connect has aborted a call. Its timer may fire some milliseconds before the deadline. */
function toCallError(signal: AbortSignal): CarillonError {
  const { reason } = signal;
  const isLate = reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
  return isLate ? new CarillonError("deadline_exceeded", "not answered in time") : toAbortError(signal);
}

/** Rejects a call whose deadline has passed, before it has an effect. */
function checkDeadline({ deadline = Number.POSITIVE_INFINITY }: RpcCall): void {
  if (deadline > Date.now()) return;
  throw new CarillonError("deadline_exceeded", "the deadline passed before the request was complete");
}

/** Returns the deadline in milliseconds since the epoch. Connect only reports the remaining time. */
function readDeadline(context: HandlerContext): number | undefined {
  const left = context.timeoutMs();
  return left === undefined ? undefined : Date.now() + left - findCaller(context).readingTime;
}

function findCaller({ values }: HandlerContext): ConnectCaller {
  const caller = values.get(CALLER);
  if (caller === undefined) throw new Error("the call has bypassed the mount");
  return caller;
}
