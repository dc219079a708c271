import { writeAnswers } from "../grpc/answer-writer.js";
import { toAnswerBytes } from "../grpc/method-codec.js";
import { PipelinedAnswers } from "../pipelined.js";
import { DirectPipeline, type PipelineWriter } from "./direct-pipeline.js";
import type { GrpcHttp2Call } from "./grpc-http2-call.js";
import { RequestQueue } from "./request-queue.js";

/**
 * Calls a streaming method, and sends its answers. The call is aborted when the backend loses its permission.
 * @param readRequest - returns the request or the stream of requests
 */
export function streamAnswers(call: GrpcHttp2Call, readRequest: () => unknown): void {
  const { host } = call.peer;
  const unwatch = call.watchGrant();
  const run = (): void => {
    sendAnswers(call, readRequest)
      .catch((cause: unknown) => call.fail(cause))
      .catch(host.onFault)
      .finally(unwatch);
  };
  if (host.continueTrace === undefined) run();
  else host.continueTrace(call.head, run);
}

async function sendAnswers(call: GrpcHttp2Call, readRequest: () => unknown): Promise<void> {
  const { method, signal } = call;
  const request = readRequest();
  const lease = call.openAnswer();
  const writer = new CallWriter(call);
  const answers = (): unknown => method.handle(request, call);
  if (lease !== undefined || !(request instanceof RequestQueue)) {
    await writeAnswers(answers, writer, { codec: method.codec, lease, signal });
    return;
  }
  const begun = answers();
  if (begun instanceof PipelinedAnswers) await new DirectPipeline(begun.pipeline, request, writer, signal).run();
  else await writeAnswers(() => begun, writer, { codec: method.codec, lease, signal });
}

class CallWriter implements PipelineWriter {
  readonly #call: GrpcHttp2Call;

  constructor(call: GrpcHttp2Call) {
    this.#call = call;
  }

  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  write(answer: object): boolean {
    return this.#call.send(toAnswerBytes(this.#call.method.codec, answer));
  }

  writeThrough(answer: Buffer): Promise<void> | undefined {
    return this.#call.send(answer) ? undefined : this.#call.untilWritable();
  }

  untilWritable(): Promise<void> {
    return this.#call.untilWritable();
  }

  beforeWrite(callback: () => void): void {
    this.#call.beforeWrite(callback);
  }

  end(): void {
    this.#call.end();
  }
}
