import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials, Metadata } from "@grpc/grpc-js";
import {
  type Cancel,
  type Task,
  WorkerService,
  type WorkRequest,
  WorkRequestSchema,
  type WorkResponse,
} from "../../../gen/carillon/v1/worker_pb.js";
import { cleanUp } from "../clean-up.js";
import { Queue } from "../queue.js";

export interface TestWorkerOptions {
  /** Default: 10. */
  readonly capacity?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Worker with its own stream, controlled by the test. */
export class TestWorker {
  readonly tasks = new Queue<Task>();
  readonly cancelled = new Queue<Cancel>();
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<WorkRequest, WorkResponse>;

  constructor(grpc: string, headers: Readonly<Record<string, string>>) {
    const { input, name, output, parent } = WorkerService.method.work;
    const metadata = new Metadata();
    for (const [header, value] of Object.entries(headers)) metadata.set(header, value);
    this.#client = new Client(grpc, credentials.createInsecure());
    this.#stream = this.#client.makeBidiStreamRequest(
      `/${parent.typeName}/${name}`,
      (message: WorkRequest) => Buffer.from(toBinary(input, message)),
      (bytes) => fromBinary(output, bytes),
      metadata,
    );
  }

  /** Sends hello. Resolves when tasks from any node reach the worker. */
  welcomed(events: readonly string[], capacity: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.on("error", reject);
      this.#stream.on("data", ({ response }: WorkResponse) => {
        if (response.case === "welcome") resolve();
        else if (response.case === "task") this.tasks.push(response.value);
        else if (response.case === "cancel") this.cancelled.push(response.value);
      });
      this.#send({
        case: "hello",
        value: { $typeName: "carillon.v1.Hello", vhost: "", events: [...events], capacity, name: "" },
      });
    });
  }

  acknowledge({ id: taskId }: Task): void {
    this.#send({ case: "acknowledge", value: { $typeName: "carillon.v1.Acknowledge", taskId } });
  }

  answer({ id: taskId }: Task, payload: string | Uint8Array, more = false): void {
    this.#send({
      case: "answer",
      value: { $typeName: "carillon.v1.Answer", taskId, payload: Buffer.from(payload), more },
    });
  }

  fail({ id: taskId }: Task, code: string, message: string): void {
    this.#send({ case: "fail", value: { $typeName: "carillon.v1.Fail", taskId, code, message } });
  }

  /** Ends the connection. */
  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #send(request: WorkRequest["request"]): void {
    this.#stream.write(create(WorkRequestSchema, { request }));
  }
}

/** Connects a worker to a node, for these event patterns. It is closed after the test. */
export async function startWorker(
  { grpc }: { readonly grpc: string },
  events: readonly string[],
  { capacity = 10, headers = {} }: TestWorkerOptions = {},
): Promise<TestWorker> {
  const worker = new TestWorker(grpc, headers);
  cleanUp(() => {
    worker.close();
  });
  await worker.welcomed(events, capacity);
  return worker;
}
