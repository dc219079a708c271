import type { DescService } from "@bufbuild/protobuf";
import type { ServerReflectionRequest } from "../../../gen/grpc/reflection/v1/reflection_pb.js";
import {
  REFLECTION_SERVICES,
  type ReflectionAnswer,
  ReflectionAnswers,
  reflectionCodec,
} from "../grpc/reflection-answers.js";
import type { LibraryService } from "./served-method.js";

/** Creates server reflection in both versions, see {@link ReflectionAnswers}. Any known backend may call it. */
export function createReflection(services: readonly DescService[]): LibraryService[] {
  const answers = new ReflectionAnswers(services);
  const implementation = {
    async *serverReflectionInfo(requests: AsyncIterable<ServerReflectionRequest>): AsyncGenerator<ReflectionAnswer> {
      for await (const request of requests) yield answers.answer(request);
    },
  };
  return REFLECTION_SERVICES.map((service) => ({ service, implementation, codec: reflectionCodec, isPublic: false }));
}
