import type { EventEmitter } from "node:events";
import { create, type DescMethod, fromBinary, toBinary } from "@bufbuild/protobuf";
import type {
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  ServiceError,
  sendUnaryData,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { CarillonError } from "../../errors.js";
import type { AnswerLease } from "../answer-budget.js";
import { checkWeight, READ_OPTIONS, undecodable } from "../decode.js";
import { answerable, type OnFault } from "../faults.js";
import type { Gatekeeper } from "../gatekeeper.js";
import { OpenStream } from "../open-stream.js";
import { findMessageExcess } from "../request-weight.js";
import { type Codec, listMethods, type RpcMethod, type ServiceImplementation } from "../service.js";
import { GrpcCall, readDeadline } from "./grpc-call.js";
import type { GrpcCallers } from "./grpc-callers.js";
import type { GrpcRequest } from "./grpc-request.js";
import { grpcStatus } from "./grpc-status.js";

/**
 * A request, or why its bytes are none (rule E10). Thrown from the deserializer, the fault would be told as INTERNAL.
 */
type Decoded = object | CarillonError;

/** A service and its implementation in the terms of @grpc/grpc-js. */
export interface GrpcMethods {
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

export interface GrpcMethodsContext {
  readonly callers: GrpcCallers;
  readonly gatekeeper: Gatekeeper;
  readonly onFault: OnFault;
}

/** @throws Error when the implementation lacks a method, or a method the action that it needs */
export function grpcMethods(service: ServiceImplementation, context: GrpcMethodsContext): GrpcMethods {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const handlers: UntypedServiceImplementation = {};
  for (const method of listMethods(service)) {
    const { action, desc, path } = method;
    context.callers.require(path, action);
    definition[desc.name] = definitionOf(method);
    handlers[desc.name] = desc.methodKind === "unary" ? unary(method, context) : streaming(method, context);
  }
  return { definition, handlers };
}

function definitionOf({ codec: given, desc, path }: RpcMethod): ServiceDefinition[string] {
  const codec = given ?? generatedCodec(desc);
  return {
    path,
    requestStream: takesStream(desc),
    responseStream: desc.methodKind === "server_streaming" || desc.methodKind === "bidi_streaming",
    requestDeserialize: (bytes: Buffer) => decoded(() => codec.decode(bytes)),
    // Answers that are counted have been written before.
    responseSerialize: (message: object) => (Buffer.isBuffer(message) ? message : bufferOf(codec.encode(message))),
    // A server needs no more than these two.
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

/** For the half of a definition that a server does not need. */
export function unused(): never {
  throw new Error("a server's definition neither writes requests nor reads answers");
}

function unary(method: RpcMethod, { callers, gatekeeper, onFault }: GrpcMethodsContext) {
  const { action, desc, handle } = method;
  const answer = async (call: ServerUnaryCall<Decoded, unknown>, callback: sendUnaryData<unknown>): Promise<void> => {
    let response: unknown;
    let lease: AnswerLease | undefined;
    try {
      checkDeadline(call);
      const { backend } = callers.of(call.metadata);
      lease = gatekeeper.openAnswer(backend, action);
      response = await handle(checked(call.request), new GrpcCall(backend, call));
      if (lease !== undefined) response = counted(method, response as object, lease);
    } catch (cause) {
      callback(statusOf(cause, desc, onFault));
      return;
    } finally {
      lease?.settle();
    }
    callback(null, response);
  };
  return (call: ServerUnaryCall<Decoded, unknown>, callback: sendUnaryData<unknown>): void => {
    answer(call, callback).catch(onFault);
  };
}

/** A call that is over, or would be if its timer had not been late, has no effect. */
function checkDeadline(call: ServerUnaryCall<Decoded, unknown>): void {
  if (call.cancelled) throw new CarillonError("cancelled", "the caller is gone");
  if ((readDeadline(call) ?? Number.POSITIVE_INFINITY) > Date.now()) return;
  throw new CarillonError("deadline_exceeded", "the deadline passed before the request was complete");
}

type Stream = ServerDuplexStream<Decoded, unknown> | ServerWritableStream<Decoded, unknown>;

function streaming(method: RpcMethod, { callers, gatekeeper, onFault }: GrpcMethodsContext) {
  const { action, desc, handle } = method;
  const answer = async (call: Stream, open: OpenStream): Promise<void> => {
    const request = takesStream(desc)
      ? requestsOf(call as ServerDuplexStream<Decoded, unknown>, callers.of(call.metadata).request)
      : checked((call as ServerWritableStream<Decoded, unknown>).request);
    const lease = gatekeeper.openAnswer(open.backend, action);
    try {
      for await (const response of handle(request, open) as AsyncIterable<unknown>) {
        if (call.cancelled) return;
        const written = lease === undefined ? response : counted(method, response as object, lease);
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
    const open = new OpenStream(gatekeeper, { backend, credentials, action, deadline: readDeadline(call) });
    call.once("cancelled", () => {
      open.abort(new CarillonError("cancelled", "the caller is gone"));
    });
    answer(call, open)
      .catch((cause: unknown) => {
        // grpc-js sends the status after what has been written.
        if (!call.cancelled) call.emit("error", statusOf(cause, desc, onFault));
      })
      .finally(() => {
        open.close();
      });
  };
}

/** The bytes of an answer, which count against those that its caller may have. */
function counted({ codec, desc }: RpcMethod, response: object, lease: AnswerLease): Buffer {
  const bytes = bufferOf((codec ?? generatedCodec(desc)).encode(response));
  lease.spend(bytes.length);
  return bytes;
}

/** Whoever stops reading leaves the call as it is: destroyed, as an iterator does by itself, it would lose its status. */
async function* requestsOf(call: ServerDuplexStream<Decoded, unknown>, incoming: GrpcRequest): AsyncGenerator<object> {
  for await (const request of call.iterator({ destroyOnReturn: false })) {
    incoming.taken();
    yield checked(request as Decoded);
  }
}

function decoded(read: () => object): Decoded {
  try {
    return read();
  } catch (cause) {
    return undecodable(cause);
  }
}

function checked(request: Decoded): object {
  if (request instanceof CarillonError) throw request;
  return request;
}

function statusOf(cause: unknown, { input }: DescMethod, onFault: OnFault): Partial<ServiceError> {
  return grpcStatus(answerable(cause, onFault), input);
}

/** The same bytes, not a copy. */
function bufferOf({ buffer, byteLength, byteOffset }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Resolves when the peer takes more, or never will, or the signal is aborted. */
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
