import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { BackendAction } from "../access/decide/actions.js";
import type { Backend } from "../access/keys/backend.js";

/** Decodes the requests and encodes the answers of a service. All its methods have the same types. */
export interface Codec {
  /** @throws Error if the bytes are not a valid request */
  decode(bytes: Uint8Array): object;
  encode(message: object): Uint8Array;
}

/**
 * Decodes plain requests in one format over HTTP, and encodes their answers. Both give the same results as the generated code.
 * The methods of a service with plain codecs use only the backend of a call.
 */
export interface PlainCodec {
  /** @returns undefined for a request that the generated code must decode or refuse. Never throws */
  decode(body: Buffer): object | undefined;
  encode(answer: object): Uint8Array | string;
}

/** Context of a call. */
export interface RpcCall {
  readonly backend: Backend;
  /** Aborted when the caller has disconnected or the backend has lost its permission; the reason says which. */
  readonly signal: AbortSignal;
  /** Deadline of the caller, in milliseconds since the epoch; undefined if it has set none. */
  readonly deadline: number | undefined;
}

/** Implementation of a service with the generated types. */
export type ImplementationOf<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: Implemented<Service["method"][Name]>;
};

type Implemented<Desc> = Desc extends {
  readonly input: infer Input extends DescMessage;
  readonly output: infer Output extends DescMessage;
  readonly methodKind: infer Kind;
}
  ? (
      request: Kind extends "unary" | "server_streaming" ? MessageShape<Input> : AsyncIterable<MessageShape<Input>>,
      call: RpcCall,
    ) => Kind extends "unary" ? Promise<MessageInitShape<Output>> : AsyncIterable<MessageInitShape<Output>>
  : never;

/** Service with its implementation. */
export interface ServiceImplementation {
  readonly service: DescService;
  /**
   * Has a method for each of the service's methods, by local name. Each takes the request and a {@link RpcCall}. Unary methods
   * return the answer or a promise of it. Streaming methods take and return async iterables. An answer of a stream may be a
   * Buffer: the encoded message. Methods throw CarillonErrors; any other error is a fault.
   */
  readonly implementation: object;
  /** Action that a backend needs for each method, by local name. */
  readonly actions: Readonly<Record<string, BackendAction>>;
  /** Replaces the generated code on the gRPC mount. */
  readonly codec?: Codec;
  readonly jsonExtension?: JsonExtension;
  /** By media type. */
  readonly plainCodecs?: ReadonlyMap<string, PlainCodec>;
}

/** Members of a JSON request that its protobuf messages do not define. */
export interface JsonExtension {
  /** Takes several turns of the event loop for a large body. @returns undefined if there is no extension, or the text is not JSON */
  extract(body: string): Promise<ExtendedJson | undefined>;
  /** Adds advice to the reason why a request could not be decoded, if there is any. */
  explain(reason: string): string;
}

export interface ExtendedJson {
  /** The request without the extension. */
  readonly body: string;
  /**
   * Adds the extension to the decoded request.
   * @throws CarillonError invalid_argument
   */
  complete(request: object): object;
}

/** Services on both mounts. */
export type ServiceImplementations = readonly ServiceImplementation[];

export type Handle = (request: unknown, call: RpcCall) => unknown;

/** Method of a service with everything that a mount needs to serve it. */
export interface RpcMethod {
  readonly desc: DescMethod;
  /** `/package.Service/Method` */
  readonly path: string;
  readonly action: BackendAction;
  readonly handle: Handle;
  readonly codec: Codec | undefined;
  readonly jsonExtension: JsonExtension | undefined;
  readonly plainCodecs: ReadonlyMap<string, PlainCodec> | undefined;
}

/** @throws Error when a method has no implementation or declares no action */
export function listMethods(offered: ServiceImplementation): RpcMethod[] {
  const { actions, codec, jsonExtension, implementation, plainCodecs, service } = offered;
  return service.methods.map((desc) => {
    const path = `/${service.typeName}/${desc.name}`;
    const handle = (implementation as Record<string, Handle | undefined>)[desc.localName]?.bind(implementation);
    if (handle === undefined) throw new Error(`${path} is not implemented`);
    const action = Object.hasOwn(actions, desc.localName) ? actions[desc.localName] : undefined;
    if (action === undefined) throw new Error(`${path} declares no action that a backend needs for it`);
    return { desc, path, action, handle, codec, jsonExtension, plainCodecs };
  });
}
