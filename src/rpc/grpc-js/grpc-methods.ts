import type { EventEmitter } from "node:events";
import type { DescMethod } from "@bufbuild/protobuf";
import type {
  Metadata,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  ServiceError,
  sendUnaryData,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { CarillonError } from "../../errors.js";
import type { ContinueTrace } from "../../net/http-handler.js";
import type { AnswerLease } from "../answer-budget.js";
import type { CallAuthorizer } from "../call-authorizer.js";
import { deadlinePassed, peerDisconnected } from "../call-errors.js";
import { undecodable } from "../decode.js";
import { type OnFault, toCallerError } from "../faults.js";
import { type AnswerWriter, writeAnswers } from "../grpc/answer-writer.js";
import { countAnswer, toAnswerBytes, toCodec } from "../grpc/method-codec.js";
import { OpenStream } from "../open-stream.js";
import { listMethods, type RpcMethod, type ServiceImplementation } from "../service.js";
import { GrpcCall, readDeadline } from "./grpc-call.js";
import type { GrpcCallers } from "./grpc-callers.js";
import type { GrpcRequest } from "./grpc-request.js";
import { grpcStatus } from "./grpc-status.js";

/** Request, or the error if it cannot be decoded (rule E10). An error thrown by the deserializer would be reported as INTERNAL. */
type Decoded = object | CarillonError;

/** Service and its implementation in the terms of @grpc/grpc-js. */
export interface GrpcMethods {
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

export interface GrpcMethodsContext {
  readonly callers: GrpcCallers;
  readonly authorizer: CallAuthorizer;
  readonly onFault: OnFault;
  /** Undefined if traces are not recorded. */
  readonly continueTrace: ContinueTrace | undefined;
}

/** @throws Error if the implementation lacks a method, or a method declares no action */
export function toGrpcMethods(service: ServiceImplementation, context: GrpcMethodsContext): GrpcMethods {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const handlers: UntypedServiceImplementation = {};
  for (const method of listMethods(service)) {
    const { action, desc, path } = method;
    context.callers.require(path, action);
    definition[desc.name] = defineMethod(method);
    const { continueTrace } = context;
    handlers[desc.name] =
      desc.methodKind === "unary"
        ? inTrace(continueTrace, unaryHandler(method, context))
        : inTrace(continueTrace, streamingHandler(method, context));
  }
  return { definition, handlers };
}

/** Lets a handler continue the trace that the metadata of each call names. */
function inTrace<Call extends { readonly metadata: Metadata }, Rest extends unknown[]>(
  continueTrace: ContinueTrace | undefined,
  handle: (call: Call, ...rest: Rest) => void,
): (call: Call, ...rest: Rest) => void {
  if (continueTrace === undefined) return handle;
  return (call, ...rest) => {
    const header = (name: string): string | undefined => call.metadata.get(name)[0]?.toString();
    continueTrace({ header }, () => {
      handle(call, ...rest);
    });
  };
}

function defineMethod(method: RpcMethod): ServiceDefinition[string] {
  const { desc, path } = method;
  const codec = toCodec(method);
  return {
    path,
    requestStream: takesStream(desc),
    responseStream: desc.methodKind === "server_streaming" || desc.methodKind === "bidi_streaming",
    requestDeserialize: (bytes: Buffer) => tryDecode(() => codec.decode(bytes)),
    responseSerialize: (message: object) => toAnswerBytes(codec, message),
    // A server never calls these two.
    requestSerialize: unused,
    responseDeserialize: unused,
  };
}

function takesStream({ methodKind }: DescMethod): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

/** Placeholder for the functions of a method definition that only clients use. */
export function unused(): never {
  throw new Error("a server neither encodes requests nor decodes answers");
}

function unaryHandler(method: RpcMethod, { authorizer, callers, onFault }: GrpcMethodsContext) {
  const { action, desc, handle } = method;
  const codec = toCodec(method);
  const answerLater = async (
    answered: unknown,
    callback: sendUnaryData<unknown>,
    lease: AnswerLease | undefined,
  ): Promise<void> => {
    let response: unknown;
    try {
      response = await answered;
      if (lease !== undefined) response = countAnswer(codec, response as object, lease);
    } catch (cause) {
      callback(toStatus(cause, desc, onFault));
      return;
    } finally {
      lease?.settle();
    }
    callback(null, response);
  };
  return (call: ServerUnaryCall<Decoded, unknown>, callback: sendUnaryData<unknown>): void => {
    let answered: unknown;
    let lease: AnswerLease | undefined;
    try {
      checkDeadline(call);
      const { backend } = callers.of(call.metadata);
      lease = authorizer.openAnswer(backend, action);
      answered = handle(throwIfError(call.request), new GrpcCall(backend, call));
    } catch (cause) {
      answered = Promise.reject(cause);
    }
    if (answered instanceof Promise || lease !== undefined) answerLater(answered, callback, lease).catch(onFault);
    else callback(null, answered);
  };
}

/**
 * Rejects a call before it has an effect, if the call has ended or its deadline has passed. The deadline's timer may fire
 * late.
 */
function checkDeadline(call: ServerUnaryCall<Decoded, unknown>): void {
  if (call.cancelled) throw peerDisconnected();
  if ((readDeadline(call) ?? Number.POSITIVE_INFINITY) <= Date.now()) throw deadlinePassed();
}

type Stream = ServerDuplexStream<Decoded, unknown> | ServerWritableStream<Decoded, unknown>;

function streamingHandler(method: RpcMethod, { authorizer, callers, onFault }: GrpcMethodsContext) {
  const { action, desc, handle } = method;
  const codec = toCodec(method);
  const answer = async (call: Stream, open: OpenStream): Promise<void> => {
    const request = takesStream(desc)
      ? readRequests(call as ServerDuplexStream<Decoded, unknown>, callers.of(call.metadata).request)
      : throwIfError((call as ServerWritableStream<Decoded, unknown>).request);
    const { signal } = open;
    const lease = authorizer.openAnswer(open.backend, action);
    await writeAnswers(() => handle(request, open), new StreamWriter(call), { codec, lease, signal });
  };
  return (call: Stream): void => {
    const { backend, credentials } = callers.of(call.metadata);
    const open = new OpenStream(authorizer, { backend, credentials, action, deadline: readDeadline(call) });
    call.once("cancelled", () => {
      open.abort(peerDisconnected());
    });
    answer(call, open)
      .catch((cause: unknown) => {
        // grpc-js sends the status after the written messages.
        if (!call.cancelled) call.emit("error", toStatus(cause, desc, onFault));
      })
      .finally(() => {
        open.close();
      });
  };
}

class StreamWriter implements AnswerWriter {
  readonly #call: Stream;

  constructor(call: Stream) {
    this.#call = call;
  }

  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  write(answer: object): boolean {
    return this.#call.write(answer);
  }

  /** Waits for the connection, because the stream itself would accept 16 answers of any size. */
  writeThrough(answer: Buffer, signal: AbortSignal): Promise<void> {
    return writeThrough(this.#call, answer, signal);
  }

  untilWritable(signal: AbortSignal): Promise<void> {
    return untilWritable(this.#call, signal);
  }

  end(): void {
    this.#call.end();
  }
}

/** Writes an encoded answer. Resolves when it is written, when the call has ended, or when the signal is aborted. */
function writeThrough(call: Stream, answer: Buffer, signal: AbortSignal): Promise<void> {
  const events = ["cancelled", "close"] as const;
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) call.off(event, done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    for (const event of events) call.once(event, done);
    signal.addEventListener("abort", done);
    call.write(answer, done);
  });
}

/** Yields the requests of a stream. When the method stops reading, the call stays open, because destroying it would lose its status. */
async function* readRequests(
  call: ServerDuplexStream<Decoded, unknown>,
  incoming: GrpcRequest,
): AsyncGenerator<object> {
  for await (const request of call.iterator({ destroyOnReturn: false })) {
    incoming.taken();
    yield throwIfError(request as Decoded);
  }
}

function tryDecode(read: () => object): Decoded {
  try {
    return read();
  } catch (cause) {
    return undecodable(cause);
  }
}

function throwIfError(request: Decoded): object {
  if (request instanceof CarillonError) throw request;
  return request;
}

function toStatus(cause: unknown, { input }: DescMethod, onFault: OnFault): Partial<ServiceError> {
  return grpcStatus(toCallerError(cause, onFault), input);
}

/** Resolves when the peer can be written to again, when the call has ended, or when the signal is aborted. */
export function untilWritable(call: EventEmitter, signal?: AbortSignal): Promise<void> {
  const events = ["drain", "cancelled", "close"] as const;
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) call.off(event, done);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    for (const event of events) call.once(event, done);
    signal?.addEventListener("abort", done);
    if (signal?.aborted === true) done();
  });
}
