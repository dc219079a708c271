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

/** A worker on the stock client: it says what a test says, and nothing by itself. */
export class WorkStream {
  readonly #call: ClientDuplexStream<WorkRequest, WorkResponse>;
  readonly #told = new Queue<WorkResponse["response"]>();
  /** What the stream has ended with. */
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
    this.#call.on("data", ({ response }: WorkResponse) => this.#told.push(response));
    this.#call.on("error", () => {
      // The status tells.
    });
    this.ended = new Promise((resolve) => {
      this.#call.once("status", ({ code, details }: StatusObject) => resolve({ status: code, message: details }));
    });
  }

  say(request: Said): void {
    this.#call.write(create(WorkRequestSchema, { request }));
  }

  /** Resolves when it is in. */
  async hello(hello: SaidHello): Promise<string> {
    this.say({ case: "hello", value: hello });
    const welcome = await this.#told.next();
    if (welcome.case !== "welcome") throw new Error(`not welcomed: ${welcome.case}`);
    return welcome.value.workerId;
  }

  answer(taskId: string, payload: string, more = false): void {
    this.say({ case: "answer", value: { taskId, payload: Buffer.from(payload), more } });
  }

  async task(): Promise<Task> {
    const told = await this.#told.next();
    if (told.case !== "task") throw new Error(`no task: ${told.case}`);
    return told.value;
  }

  /** The id of the task that is cancelled. */
  async cancelled(): Promise<string> {
    const told = await this.#told.next();
    if (told.case !== "cancel") throw new Error(`no cancellation: ${told.case}`);
    return told.value.taskId;
  }

  any(): Promise<WorkResponse["response"]> {
    return this.#told.next();
  }

  get unread(): readonly unknown[] {
    return this.#told.unread;
  }

  /** It reads nothing more. */
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

/** A worker that is in. */
export async function startWorker(address: string, hello: SaidHello, headers: TestHeaders = {}): Promise<WorkStream> {
  const stream = new WorkStream(address, headers);
  await stream.hello(hello);
  return stream;
}
