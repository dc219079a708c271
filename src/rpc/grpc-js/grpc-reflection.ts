import type { DescService } from "@bufbuild/protobuf";
import type { Server, ServerDuplexStream, ServiceDefinition } from "@grpc/grpc-js";
import type { ServerReflectionRequest } from "../../../gen/grpc/reflection/v1/reflection_pb.js";
import { CarillonError, GRPC_STATUS } from "../../errors.js";
import { undecodable } from "../decode.js";
import { toAnswerBytes } from "../grpc/method-codec.js";
import {
  REFLECTION_SERVICES,
  type ReflectionAnswer,
  ReflectionAnswers,
  reflectionCodec,
} from "../grpc/reflection/reflection-answers.js";
import { untilWritable, unused } from "./grpc-methods.js";

/** Request, or the error if it cannot be decoded (rule E10). An error thrown by the deserializer would be reported as INTERNAL. */
type Decoded = ServerReflectionRequest | CarillonError;
type Stream = ServerDuplexStream<Decoded, ReflectionAnswer>;

/** Adds server reflection, see {@link ReflectionAnswers}. */
export function addReflection(server: Pick<Server, "addService">, services: readonly DescService[]): void {
  const answers = new ReflectionAnswers(services);
  for (const { method, typeName } of REFLECTION_SERVICES) {
    const { name } = method.serverReflectionInfo;
    server.addService(
      { [name]: defineReflection(`/${typeName}/${name}`) },
      {
        [name]: (call: Stream): void => {
          serve(call, answers).catch(() => {
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
    responseSerialize: (answer: ReflectionAnswer) => toAnswerBytes(reflectionCodec, answer),
    // A server never calls these two.
    requestSerialize: unused,
    responseDeserialize: unused,
  };
}

function readRequest(bytes: Buffer): object {
  try {
    return reflectionCodec.decode(bytes);
  } catch (cause) {
    return undecodable(cause);
  }
}

/** Reads each request only after the peer has taken the answer to the previous one. */
async function serve(call: Stream, answers: ReflectionAnswers): Promise<void> {
  for await (const request of call.iterator({ destroyOnReturn: false }) as AsyncIterable<Decoded>) {
    if (call.cancelled) return;
    if (request instanceof CarillonError) {
      call.emit("error", { code: GRPC_STATUS[request.code], details: request.message });
      return;
    }
    if (!call.write(answers.answer(request))) await untilWritable(call);
  }
  call.end();
}
