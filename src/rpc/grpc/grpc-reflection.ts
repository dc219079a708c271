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
/** A request, or the error to end with (rule E10): thrown from the deserializer, it would be told as INTERNAL. */
type Decoded = ServerReflectionRequest | CarillonError;
type Stream = ServerDuplexStream<Decoded, Answer>;

/**
 * Server reflection (v1 and v1alpha), so that grpcurl and its like need no proto files. It serves the descriptors that
 * protoc-gen-es embeds; what is made of proto files at run time would have other file names and lack imports.
 */
export function addReflection(server: Pick<Server, "addService">, services: readonly DescService[]): void {
  const versions = [ServerReflection, ServerReflectionV1Alpha];
  const all = [...services, Health, ...versions];
  const index = new DescriptorIndex([...all.map(({ file }) => file), errorDetailsFile()]);
  const names = all.map(({ typeName }) => ({ name: typeName }));
  const answer = (request: ServerReflectionRequest): Answer => ({
    validHost: request.host,
    originalRequest: request,
    messageResponse: responseTo(request, index, names),
  });
  const { name } = ServerReflection.method.serverReflectionInfo;
  for (const { typeName } of versions) {
    server.addService(
      { [name]: definitionOf(`/${typeName}/${name}`) },
      {
        [name]: (call: Stream): void => {
          serve(call, answer).catch(() => {
            // The stream has ended with a status of its own.
          });
        },
      },
    );
  }
}

/** The messages of both versions are the same on the wire. */
function definitionOf(path: string): ServiceDefinition[string] {
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestDeserialize: readRequest,
    responseSerialize: writeAnswer,
    // A server needs no more than these two.
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

/** Reads no request before the answer to the one before it is taken. */
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

function responseTo(
  { messageRequest: request }: ServerReflectionRequest,
  index: DescriptorIndex,
  services: readonly { readonly name: string }[],
): NonNullable<Answer["messageResponse"]> {
  switch (request.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: [...services] } };
    case "fileByFilename":
      return filesOr(index.byName(request.value), `no file ${JSON.stringify(request.value)}`);
    case "fileContainingSymbol":
      return filesOr(index.bySymbol(request.value), `no symbol ${JSON.stringify(request.value)}`);
    case "allExtensionNumbersOfType":
      if (index.bySymbol(request.value) === undefined) return refusal(`no type ${JSON.stringify(request.value)}`);
      // No file here extends anything.
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: request.value, extensionNumber: [] } };
    case "fileContainingExtension":
      return refusal("there are no extensions");
    case undefined:
    default:
      return refusal("the request asks for nothing that is known", GRPC_STATUS.invalid_argument);
  }
}

function filesOr(files: Uint8Array[] | undefined, missing: string): NonNullable<Answer["messageResponse"]> {
  if (files === undefined) return refusal(missing);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: files } };
}

function refusal(errorMessage: string, errorCode = GRPC_STATUS.not_found): NonNullable<Answer["messageResponse"]> {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
