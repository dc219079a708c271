import { create, type DescService, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Server, ServerDuplexStream, ServiceDefinition } from "@grpc/grpc-js";
import { Health } from "../../../gen/grpc/health/v1/health_pb.js";
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from "../../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionV1Alpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { CarillonError, GRPC_STATUS } from "../../errors.js";
import { READ_OPTIONS, undecodable } from "../decode.js";
import { DescriptorIndex } from "./descriptor-index.js";
import { errorDetailsFile } from "./error-details-file.js";
import { untilWritable, unused } from "./grpc-methods.js";

type Answer = MessageInitShape<typeof ServerReflectionResponseSchema>;
/** Request, or the error if it cannot be decoded (rule E10). An error thrown by the deserializer would be reported as INTERNAL. */
type Decoded = ServerReflectionRequest | CarillonError;
type Stream = ServerDuplexStream<Decoded, Answer>;

/**
 * Adds server reflection (v1 and v1alpha), so that clients such as grpcurl need no proto files. It serves the descriptors
 * embedded by protoc-gen-es. Descriptors built from proto files at run time would have other file names and lack imports.
 */
export function addReflection(server: Pick<Server, "addService">, services: readonly DescService[]): void {
  const versions = [ServerReflection, ServerReflectionV1Alpha];
  const all = [...services, Health, ...versions];
  const index = new DescriptorIndex([...all.map(({ file }) => file), errorDetailsFile()]);
  const names = all.map(({ typeName }) => ({ name: typeName }));
  const answer = (request: ServerReflectionRequest): Answer => ({
    validHost: request.host,
    originalRequest: request,
    messageResponse: respond(request, index, names),
  });
  const { name } = ServerReflection.method.serverReflectionInfo;
  for (const { typeName } of versions) {
    server.addService(
      { [name]: defineReflection(`/${typeName}/${name}`) },
      {
        [name]: (call: Stream): void => {
          serve(call, answer).catch(() => {
            // The stream has already ended with its own status.
          });
        },
      },
    );
  }
}

/** Defines the method for either version, because their messages are the same on the wire. */
function defineReflection(path: string): ServiceDefinition[string] {
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestDeserialize: readRequest,
    responseSerialize: writeAnswer,
    // A server never calls these two.
    requestSerialize: unused,
    responseDeserialize: unused,
  };
}

function writeAnswer(answer: Answer): Buffer {
  return Buffer.from(toBinary(ServerReflectionResponseSchema, create(ServerReflectionResponseSchema, answer)));
}

function readRequest(bytes: Buffer): Decoded {
  try {
    return fromBinary(ServerReflectionRequestSchema, bytes, READ_OPTIONS);
  } catch (cause) {
    return undecodable(cause);
  }
}

/** Reads each request only after the peer has taken the answer to the previous one. */
async function serve(call: Stream, answer: (request: ServerReflectionRequest) => Answer): Promise<void> {
  for await (const request of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Decoded>) {
    if (call.cancelled) return;
    if (request instanceof CarillonError) {
      call.emit("error", { code: GRPC_STATUS[request.code], details: request.message });
      return;
    }
    if (!call.write(answer(request))) await untilWritable(call);
  }
  call.end();
}

function respond(
  { messageRequest: request }: ServerReflectionRequest,
  index: DescriptorIndex,
  services: readonly { readonly name: string }[],
): NonNullable<Answer["messageResponse"]> {
  switch (request.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: [...services] } };
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

function filesOrError(files: Uint8Array[] | undefined, missing: string): NonNullable<Answer["messageResponse"]> {
  if (files === undefined) return errorResponse(missing);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: files } };
}

function errorResponse(
  errorMessage: string,
  errorCode = GRPC_STATUS.not_found,
): NonNullable<Answer["messageResponse"]> {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
