import { create, type DescService, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Health } from "../../../../gen/grpc/health/v1/health_pb.js";
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionV1Alpha } from "../../../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { GRPC_STATUS } from "../../../errors.js";
import { READ_OPTIONS } from "../../decode.js";
import type { Codec } from "../../service.js";
import { DescriptorIndex } from "./descriptor-index.js";
import { errorDetailsFile } from "./error-details-file.js";

export type ReflectionAnswer = MessageInitShape<typeof ServerReflectionResponseSchema>;

/** The services of server reflection. Their messages are the same on the wire. */
export const REFLECTION_SERVICES = [ServerReflection, ServerReflectionV1Alpha] as const;

/** Decodes the requests and encodes the answers of both services. */
export const reflectionCodec: Codec = {
  decode: (bytes) => fromBinary(ServerReflectionRequestSchema, bytes, READ_OPTIONS),
  encode: (answer) =>
    toBinary(ServerReflectionResponseSchema, create(ServerReflectionResponseSchema, answer as ReflectionAnswer)),
};

/**
 * Answers the requests of server reflection (v1 and v1alpha), so that clients such as grpcurl need no proto files. It serves
 * the descriptors embedded by protoc-gen-es. Descriptors built from proto files at run time would have other file names and
 * lack imports.
 */
export class ReflectionAnswers {
  readonly #index: DescriptorIndex;
  readonly #services: readonly { readonly name: string }[];

  /** @param services - health and reflection are added to them */
  constructor(services: readonly DescService[]) {
    const all = [...services, Health, ...REFLECTION_SERVICES];
    this.#index = new DescriptorIndex([...all.map(({ file }) => file), errorDetailsFile()]);
    this.#services = all.map(({ typeName }) => ({ name: typeName }));
  }

  answer(request: ServerReflectionRequest): ReflectionAnswer {
    return { validHost: request.host, originalRequest: request, messageResponse: this.#respond(request) };
  }

  #respond({ messageRequest: request }: ServerReflectionRequest): NonNullable<ReflectionAnswer["messageResponse"]> {
    const index = this.#index;
    switch (request.case) {
      case "listServices":
        return { case: "listServicesResponse", value: { service: [...this.#services] } };
      case "fileByFilename":
        return filesOrError(index.byName(request.value), `unknown file ${JSON.stringify(request.value)}`);
      case "fileContainingSymbol":
        return filesOrError(index.bySymbol(request.value), `unknown symbol ${JSON.stringify(request.value)}`);
      case "allExtensionNumbersOfType":
        if (index.bySymbol(request.value) === undefined)
          return errorResponse(`unknown type ${JSON.stringify(request.value)}`);
        // No file of this server defines extensions.
        return { case: "allExtensionNumbersResponse", value: { baseTypeName: request.value, extensionNumber: [] } };
      case "fileContainingExtension":
        return errorResponse("no extensions are defined");
      case undefined:
      default:
        return errorResponse("unknown kind of request", GRPC_STATUS.invalid_argument);
    }
  }
}

function filesOrError(
  files: Uint8Array[] | undefined,
  missing: string,
): NonNullable<ReflectionAnswer["messageResponse"]> {
  if (files === undefined) return errorResponse(missing);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: files } };
}

function errorResponse(
  errorMessage: string,
  errorCode = GRPC_STATUS.not_found,
): NonNullable<ReflectionAnswer["messageResponse"]> {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
