import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials, Metadata, type StatusObject } from "@grpc/grpc-js";
import {
  type Task,
  WorkerService,
  type WorkRequest,
  WorkRequestSchema,
  type WorkResponse,
  WorkResponseSchema,
} from "../../../gen/carillon/v1/worker_pb.js";
import type { TestHeaders } from "../../support/backends/mounts.js";
import { cleanUp } from "../../support/clean-up.js";
import { Queue } from "../../support/queue.js";

type Said = NonNullable<MessageInitShape<typeof WorkRequestSchema>["request"]>;
type SaidHello = Extract<Said, { case: "hello" }>["value"];

/** Worker on the stock client. It only sends what the test tells it to. */
export class WorkStream {
  readonly #call: ClientDuplexStream<WorkRequest, WorkResponse>;
  readonly #responses = new Queue<WorkResponse["response"]>();
  /** Status with which the stream ended. */
  readonly ended: Promise<{ readonly status: number; readonly message: string }>;

  constructor(address: string, headers: TestHeaders = {}) {
    const client = new Client(address, credentials.createInsecure());
    cleanUp(() => client.close());
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    this.#call = client.makeBidiStreamRequest(
      `/${WorkerService.typeName}/Work`,
      (message: WorkRequest) => Buffer.from(toBinary(WorkRequestSchema, message)),
      (bytes) => fromBinary(WorkResponseSchema, bytes),
      metadata,
    );
    cleanUp(() => this.#call.cancel());
    this.#call.on("data", ({ response }: WorkResponse) => this.#responses.push(response));
    this.#call.on("error", () => {
      // The status event reports the error.
    });
    this.ended = new Promise((resolve) => {
      this.#call.once("status", ({ code, details }: StatusObject) => resolve({ status: code, message: details }));
    });
  }

  say(request: Said): void {
    this.#call.write(create(WorkRequestSchema, { request }));
  }

  /** Resolves when the worker is registered. */
  async hello(hello: SaidHello): Promise<string> {
    this.say({ case: "hello", value: hello });
    const welcome = await this.#responses.next();
    if (welcome.case !== "welcome") throw new Error(`not welcomed: ${welcome.case}`);
    return welcome.value.workerId;
  }

  answer(taskId: string, payload: string, more = false): void {
    this.say({ case: "answer", value: { taskId, payload: Buffer.from(payload), more } });
  }

  async task(): Promise<Task> {
    const response = await this.#responses.next();
    if (response.case !== "task") throw new Error(`no task: ${response.case}`);
    return response.value;
  }

  /** Resolves with the id of the next cancelled task. */
  async cancelled(): Promise<string> {
    const response = await this.#responses.next();
    if (response.case !== "cancel") throw new Error(`no cancellation: ${response.case}`);
    return response.value.taskId;
  }

  any(): Promise<WorkResponse["response"]> {
    return this.#responses.next();
  }

  get unread(): readonly unknown[] {
    return this.#responses.unread;
  }

  /** Stops reading. */
  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }
}

/** Opens a stream and waits until the worker is registered. */
export async function startWorker(address: string, hello: SaidHello, headers: TestHeaders = {}): Promise<WorkStream> {
  const stream = new WorkStream(address, headers);
  await stream.hello(hello);
  return stream;
}
