import type { EventEmitter } from "node:events";
import { create, type DescMethod, fromBinary, toBinary } from "@bufbuild/protobuf";
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
import { peerDisconnected } from "../call-errors.js";
import { checkWeight, READ_OPTIONS, undecodable } from "../decode.js";
import { type OnFault, toCallerError } from "../faults.js";
import { OpenStream } from "../open-stream.js";
import { findMessageExcess } from "../request-weight.js";
import { type Codec, listMethods, type RpcMethod, type ServiceImplementation } from "../service.js";
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

function defineMethod({ codec: methodCodec, desc, path }: RpcMethod): ServiceDefinition[string] {
  const codec = methodCodec ?? generatedCodec(desc);
  return {
    path,
    requestStream: takesStream(desc),
    responseStream: desc.methodKind === "server_streaming" || desc.methodKind === "bidi_streaming",
    requestDeserialize: (bytes: Buffer) => tryDecode(() => codec.decode(bytes)),
    // Counted answers, and those of some streams, are already encoded.
    responseSerialize: (message: object) => (Buffer.isBuffer(message) ? message : toBuffer(codec.encode(message))),
    // A server never calls these two.
    requestSerialize: unused,
    responseDeserialize: unused,
  };
}

function takesStream({ methodKind }: DescMethod): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

function generatedCodec({ input, output }: DescMethod): Codec {
  return {
    decode: (bytes) => {
      checkWeight(findMessageExcess(input, bytes));
      return fromBinary(input, bytes, READ_OPTIONS);
    },
    encode: (message) => toBinary(output, create(output, message as Record<string, unknown>)),
  };
}

/** Placeholder for the functions of a method definition that only clients use. */
export function unused(): never {
  throw new Error("a server neither encodes requests nor decodes answers");
}

function unaryHandler(method: RpcMethod, { authorizer, callers, onFault }: GrpcMethodsContext) {
  const { action, desc, handle } = method;
  const answerLater = async (
    answered: unknown,
    callback: sendUnaryData<unknown>,
    lease: AnswerLease | undefined,
  ): Promise<void> => {
    let response: unknown;
    try {
      response = await answered;
      if (lease !== undefined) response = countAnswer(method, response as object, lease);
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
  if ((readDeadline(call) ?? Number.POSITIVE_INFINITY) > Date.now()) return;
  throw new CarillonError("deadline_exceeded", "the deadline passed before the request was complete");
}

type Stream = ServerDuplexStream<Decoded, unknown> | ServerWritableStream<Decoded, unknown>;

function streamingHandler(method: RpcMethod, { authorizer, callers, onFault }: GrpcMethodsContext) {
  const { action, desc, handle } = method;
  const answer = async (call: Stream, open: OpenStream): Promise<void> => {
    const request = takesStream(desc)
      ? readRequests(call as ServerDuplexStream<Decoded, unknown>, callers.of(call.metadata).request)
      : throwIfError((call as ServerWritableStream<Decoded, unknown>).request);
    const lease = authorizer.openAnswer(open.backend, action);
    try {
      for await (const response of handle(request, open) as AsyncIterable<unknown>) {
        if (call.cancelled) return;
        if (Buffer.isBuffer(response)) {
          await writeThrough(call, response, open.signal);
          open.signal.throwIfAborted();
          continue;
        }
        const written = lease === undefined ? response : countAnswer(method, response as object, lease);
        lease?.settle();
        if (call.write(written)) continue;
        await untilWritable(call, open.signal);
        open.signal.throwIfAborted();
      }
    } finally {
      lease?.settle();
    }
    call.end();
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

/**
 * Writes an encoded answer. Resolves when the peer's connection has accepted it: the stream itself would accept 16 answers of any
 * size. Also resolves when the call has ended, or when the signal is aborted.
 */
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

/** Encodes an answer, and charges its bytes to the caller. */
function countAnswer({ codec, desc }: RpcMethod, response: object, lease: AnswerLease): Buffer {
  const bytes = toBuffer((codec ?? generatedCodec(desc)).encode(response));
  lease.spend(bytes.length);
  return bytes;
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

/** Returns the same bytes, without copying. */
function toBuffer({ buffer, byteLength, byteOffset }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
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
