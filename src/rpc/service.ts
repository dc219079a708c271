import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { BackendAction } from "../access/decide/actions.js";
import type { Backend } from "../access/keys/backend.js";

/** Reads the requests and writes the answers of a service whose methods all have the same types. */
export interface Codec {
  /** @throws Error for bytes that are no request */
  decode(bytes: Uint8Array): object;
  encode(message: object): Uint8Array;
}

/** Who calls, and for how long. */
export interface RpcCall {
  readonly backend: Backend;
  /** Aborted when nobody waits for the answer any more, and when the backend may no longer have it: the reason says why. */
  readonly signal: AbortSignal;
  /** When the caller gives up, in milliseconds since the epoch; undefined: it has not said so. */
  readonly deadline: number | undefined;
}

/** What implements a service with the generated types. */
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

/** A service, and what it does. */
export interface ServiceImplementation {
  readonly service: DescService;
  /**
   * Has a method for each of the service's, by its local name. It takes the request and a {@link RpcCall}. Unary ones give
   * the answer or a promise of it; those that take or answer with streams take and give async iterables. What they throw
   * is a CarillonError, or a fault.
   */
  readonly implementation: object;
  /** What a backend must be allowed for each method, by its local name. */
  readonly actions: Readonly<Record<string, BackendAction>>;
  /** In place of the generated code, on the gRPC mount. */
  readonly codec?: Codec;
  readonly jsonExtension?: JsonExtension;
}

/** Members that a JSON request may have beyond the fields of its messages. */
export interface JsonExtension {
  /** Takes several turns of the event loop for a large body. @returns undefined where there is nothing beyond the fields, or the text is not JSON */
  extract(body: string): Promise<ExtendedJson | undefined>;
  /** Adds advice to the reason why a request could not be decoded, where there is any. */
  explain(reason: string): string;
}

export interface ExtendedJson {
  /** The request without the extension. */
  readonly body: string;
  /**
   * Puts the extension into the request that was read from the body.
   * @throws CarillonError invalid_argument
   */
  complete(request: object): object;
}

/** The services that both mounts serve. */
export type ServiceImplementations = readonly ServiceImplementation[];

export type Handle = (request: unknown, call: RpcCall) => unknown;

/** A method with what belongs to it. */
export interface RpcMethod {
  readonly desc: DescMethod;
  /** `/package.Service/Method` */
  readonly path: string;
  readonly action: BackendAction;
  readonly handle: Handle;
  readonly codec: Codec | undefined;
  readonly jsonExtension: JsonExtension | undefined;
}

/** @throws Error when a method is not implemented, or nothing says who may call it */
export function listMethods(offered: ServiceImplementation): RpcMethod[] {
  const { actions, codec, jsonExtension, implementation, service } = offered;
  return service.methods.map((desc) => {
    const path = `/${service.typeName}/${desc.name}`;
    const handle = (implementation as Record<string, Handle | undefined>)[desc.localName]?.bind(implementation);
    if (handle === undefined) throw new Error(`${path} is not implemented`);
    const action = Object.hasOwn(actions, desc.localName) ? actions[desc.localName] : undefined;
    if (action === undefined) throw new Error(`${path} declares no action that a backend needs for it`);
    return { desc, path, action, handle, codec, jsonExtension };
  });
}
