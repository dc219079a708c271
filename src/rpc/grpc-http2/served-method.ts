import type { DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import type { BackendAction } from "../../access/decide/actions.js";
import { MAX_LIBRARY_BYTES } from "../grpc/grpc-mount-options.js";
import { toCodec } from "../grpc/method-codec.js";
import { type Codec, type Handle, listMethods, type RpcMethod, type ServiceImplementation } from "../service.js";

/** Method with everything that a call needs. */
export interface ServedMethod {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Type of the requests, for the details of errors. */
  readonly input: DescMessage;
  /** Whether the request is a stream of messages; otherwise it is exactly one message. */
  readonly streaming: boolean;
  /** Whether the answer is a stream of messages. */
  readonly streamsAnswers: boolean;
  /** Whether everyone may call it. */
  readonly isPublic: boolean;
  /** Action that a backend needs; undefined: any known backend, or everyone. */
  readonly action: BackendAction | undefined;
  /** Maximum number of bytes of a message, as sent and as inflated. */
  readonly limit: number;
  readonly compression: boolean;
  /** Whether open streams only watch, so that a stopping node ends them. */
  readonly endsWithNode: boolean;
  readonly codec: Codec;
  readonly handle: Handle;
}

/** Service of gRPC's libraries. */
export interface LibraryService {
  readonly service: DescService;
  /** As in {@link ServiceImplementation}. */
  readonly implementation: object;
  /** Replaces the generated code. */
  readonly codec?: Codec;
  /** Whether everyone may call it; otherwise any known backend. */
  readonly isPublic: boolean;
}

/**
 * @param limit - maximum number of bytes of a message
 * @throws Error as listMethods does
 */
export function serveMethods(offered: ServiceImplementation, limit: number): ServedMethod[] {
  return listMethods(offered).map((method) => ({
    ...describe(method),
    isPublic: false,
    action: method.action,
    limit,
    compression: true,
    endsWithNode: false,
    handle: method.handle,
  }));
}

export function serveLibrary({ codec, implementation, isPublic, service }: LibraryService): ServedMethod[] {
  return service.methods.map((desc) => ({
    ...describe({ codec, desc, path: `/${service.typeName}/${desc.name}` }),
    isPublic,
    action: undefined,
    limit: MAX_LIBRARY_BYTES,
    compression: false,
    endsWithNode: true,
    handle: (implementation as Record<string, Handle>)[desc.localName]?.bind(implementation) ?? unimplemented(desc),
  }));
}

function describe(method: Pick<RpcMethod, "codec" | "desc" | "path">) {
  const { input, methodKind } = method.desc;
  return {
    path: method.path,
    input,
    streaming: methodKind === "client_streaming" || methodKind === "bidi_streaming",
    streamsAnswers: methodKind !== "unary",
    codec: toCodec(method),
  };
}

function unimplemented({ name }: DescMethod): never {
  throw new Error(`${name} is not implemented`);
}
