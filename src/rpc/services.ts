import type { DescService } from "@bufbuild/protobuf";

/** Reads the requests and writes the answers of a service whose methods all have the same types. */
export interface Codec {
  /** @throws Error for bytes that are no request */
  decode(bytes: Uint8Array): object;
  encode(message: object): Uint8Array;
}

/** A service, and what it does. */
export interface ServiceImplementation {
  readonly service: DescService;
  /**
   * Has a method for each of the service's, by its local name: unary ones take a request and give the answer or a promise
   * of it, streaming ones take and give async iterables. What they throw is a CarillonError, or a fault.
   */
  readonly implementation: object;
  /** In place of the generated code, on the gRPC mount. */
  readonly codec?: Codec;
}

/** The services that both mounts serve. */
export type ServiceImplementations = readonly ServiceImplementation[];
