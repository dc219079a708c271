import { type DescService, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type ServiceError,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { CarillonError, GRPC_STATUS } from "../errors.js";
import { type Address, formatAddress } from "../util/address.js";
import type { OnFault } from "./faults.js";
import { GrpcHealth } from "./grpc-health.js";
import { addReflection } from "./grpc-reflection.js";
import type { ServiceImplementations } from "./services.js";

export interface GrpcMountOptions {
  readonly address: Address;
  readonly services: ServiceImplementations;
  /** Largest request, in bytes. */
  readonly requestBytes: number;
  /** Told of errors that are no refusal but a fault of ours. */
  readonly onFault: OnFault;
}

/** The gRPC port: the services on @grpc/grpc-js, with the standard health service and reflection. */
export class GrpcMount {
  readonly #options: GrpcMountOptions;
  readonly #server: Server;
  readonly #health: GrpcHealth;

  constructor(options: GrpcMountOptions) {
    this.#options = options;
    this.#server = new Server({
      "grpc.max_receive_message_length": options.requestBytes,
      // Answers are small; what a client sends is what must be bounded.
      "grpc.max_send_message_length": -1,
    });
    const names = options.services.map(({ service }) => service.typeName);
    for (const { implementation, service } of options.services) this.#add(service, implementation);
    this.#health = new GrpcHealth(this.#server, names);
    addReflection(this.#server);
  }

  /**
   * @returns where it listens: the real port where 0 was asked for
   * @throws Error when the address cannot be had
   */
  listen(): Promise<Address> {
    const { address } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(formatAddress(address), ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve({ host: address.host, port });
        else reject(error);
      });
    });
  }

  /** What the health service says of every service. */
  setServing(serving: boolean): void {
    this.#health.setServing(serving);
  }

  /** Accepts no more calls. Resolves when those under way are answered. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.tryShutdown(() => resolve());
    });
  }

  /** Cuts the calls under way. */
  terminate(): void {
    this.#server.forceShutdown();
  }

  #add(service: DescService, implementation: object): void {
    const definition: Record<string, ServiceDefinition[string]> = {};
    const handlers: UntypedServiceImplementation = {};
    for (const method of service.methods) {
      const { input, localName, name, output } = method;
      const requestStream = method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
      const responseStream = method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
      definition[name] = {
        path: `/${service.typeName}/${name}`,
        requestStream,
        responseStream,
        requestSerialize: (message: Message) => Buffer.from(toBinary(input, message)),
        requestDeserialize: (bytes: Buffer) => decode(() => fromBinary(input, bytes)),
        responseSerialize: (message: Message) => Buffer.from(toBinary(output, message)),
        responseDeserialize: (bytes: Buffer) => fromBinary(output, bytes),
      };
      const handle = (implementation as Record<string, (request: unknown) => unknown>)[localName];
      if (handle === undefined) throw new Error(`${service.typeName}/${name} is not implemented`);
      const bound = handle.bind(implementation);
      handlers[name] = responseStream ? this.#streaming(bound) : this.#unary(bound);
    }
    this.#server.addService(definition, handlers);
  }

  #unary(handle: (request: unknown) => unknown) {
    return async (call: ServerUnaryCall<Decoded, unknown>, callback: sendUnaryData<unknown>): Promise<void> => {
      try {
        callback(null, await handle(checked(call.request)));
      } catch (cause) {
        callback(this.#errorOf(cause));
      }
    };
  }

  #streaming(handle: (requests: AsyncIterable<unknown>) => unknown) {
    return async (call: ServerDuplexStream<Decoded, unknown>): Promise<void> => {
      try {
        for await (const response of handle(checkedAll(call)) as AsyncIterable<unknown>) {
          if (call.cancelled) return;
          if (!call.write(response)) await writable(call);
        }
        call.end();
      } catch (cause) {
        if (!call.cancelled) call.emit("error", this.#errorOf(cause));
      }
    };
  }

  #errorOf(cause: unknown): Partial<ServiceError> {
    const error = CarillonError.from(cause);
    if (error.code === "internal") this.#options.onFault(cause);
    return { code: GRPC_STATUS[error.code], details: error.message };
  }
}

/**
 * A request, or why its bytes are none. Thrown from the deserializer, the fault would be told as INTERNAL: it is the
 * sender's.
 */
type Decoded = { readonly request: Message } | { readonly fault: CarillonError };

function decode(read: () => Message): Decoded {
  try {
    return { request: read() };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return { fault: new CarillonError("invalid_argument", `the request cannot be decoded: ${reason}`, { cause }) };
  }
}

function checked(decoded: Decoded): Message {
  if ("fault" in decoded) throw decoded.fault;
  return decoded.request;
}

async function* checkedAll(stream: AsyncIterable<Decoded>): AsyncGenerator<Message> {
  for await (const decoded of stream) yield checked(decoded);
}

/** Resolves when the peer takes more, or will never. */
function writable(call: ServerDuplexStream<unknown, unknown>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off("drain", done);
      call.off("cancelled", done);
      call.off("close", done);
      resolve();
    };
    call.once("drain", done);
    call.once("cancelled", done);
    call.once("close", done);
  });
}
