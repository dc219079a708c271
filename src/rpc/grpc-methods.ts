import { create, type DescMethod, fromBinary, toBinary } from "@bufbuild/protobuf";
import type {
  ServerDuplexStream,
  ServerUnaryCall,
  ServiceDefinition,
  ServiceError,
  sendUnaryData,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { CarillonError, GRPC_STATUS } from "../errors.js";
import { READ_OPTIONS, undecodable } from "./decode.js";
import { answerable, type OnFault } from "./faults.js";
import type { Codec, ServiceImplementation } from "./services.js";

/**
 * A request, or why its bytes are none (rule E10). Thrown from the deserializer, the fault would be told as INTERNAL.
 */
type Decoded = object | CarillonError;

type Handle = (request: unknown) => unknown;

/** A service and its implementation in the terms of @grpc/grpc-js. */
export interface GrpcMethods {
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

/** @throws Error when the implementation lacks a method */
export function grpcMethods({ codec, implementation, service }: ServiceImplementation, onFault: OnFault): GrpcMethods {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const handlers: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const { localName, name } = method;
    const handle = (implementation as Record<string, Handle>)[localName]?.bind(implementation);
    if (handle === undefined) throw new Error(`${service.typeName}/${name} is not implemented`);
    definition[name] = definitionOf(method, codec ?? generatedCodec(method));
    handlers[name] = method.methodKind === "unary" ? unary(handle, onFault) : streaming(handle, onFault);
  }
  return { definition, handlers };
}

function definitionOf({ methodKind, name, parent }: DescMethod, codec: Codec): ServiceDefinition[string] {
  return {
    path: `/${parent.typeName}/${name}`,
    requestStream: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    responseStream: methodKind === "server_streaming" || methodKind === "bidi_streaming",
    requestDeserialize: (bytes: Buffer) => decoded(() => codec.decode(bytes)),
    responseSerialize: (message: object) => bufferOf(codec.encode(message)),
    // A server needs no more than these two.
    requestSerialize: unused,
    responseDeserialize: unused,
  };
}

function generatedCodec({ input, output }: DescMethod): Codec {
  return {
    decode: (bytes) => fromBinary(input, bytes, READ_OPTIONS),
    encode: (message) => toBinary(output, create(output, message as Record<string, unknown>)),
  };
}

function unused(): never {
  throw new Error("a server's definition neither writes requests nor reads answers");
}

function unary(handle: Handle, onFault: OnFault) {
  const answer = async (request: Decoded, callback: sendUnaryData<unknown>): Promise<void> => {
    let response: unknown;
    try {
      response = await handle(checked(request));
    } catch (cause) {
      callback(statusOf(cause, onFault));
      return;
    }
    callback(null, response);
  };
  return ({ request }: ServerUnaryCall<Decoded, unknown>, callback: sendUnaryData<unknown>): void => {
    answer(request, callback).catch(onFault);
  };
}

function streaming(handle: Handle, onFault: OnFault) {
  const answer = async (call: ServerDuplexStream<Decoded, unknown>): Promise<void> => {
    for await (const response of handle(requestsOf(call)) as AsyncIterable<unknown>) {
      if (call.cancelled) return;
      if (!call.write(response)) await writable(call);
    }
    call.end();
  };
  return (call: ServerDuplexStream<Decoded, unknown>): void => {
    answer(call).catch((cause: unknown) => {
      // grpc-js sends the status after what has been written.
      if (!call.cancelled) call.emit("error", statusOf(cause, onFault));
    });
  };
}

/** Whoever stops reading leaves the call as it is: destroyed, as an iterator does by itself, it would lose its status. */
async function* requestsOf(call: ServerDuplexStream<Decoded, unknown>): AsyncGenerator<object> {
  for await (const request of call.iterator({ destroyOnReturn: false })) yield checked(request as Decoded);
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

function statusOf(cause: unknown, onFault: OnFault): Partial<ServiceError> {
  const { code, message } = answerable(cause, onFault);
  return { code: GRPC_STATUS[code], details: message };
}

/** The same bytes, not a copy. */
function bufferOf({ buffer, byteLength, byteOffset }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Resolves when the peer takes more, or will never. */
function writable(call: ServerDuplexStream<unknown, unknown>): Promise<void> {
  const events = ["drain", "cancelled", "close"] as const;
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) call.off(event, done);
      resolve();
    };
    for (const event of events) call.once(event, done);
  });
}
