import type { MessageInitShape } from "@bufbuild/protobuf";
import { WorkerService, type WorkRequestSchema, type WorkResponseSchema } from "../../gen/carillon/v1/worker_pb.js";
import { type NodeConnectionOptions, type StreamCall, StreamClient } from "./stream-client.js";

/** Worker's connection to a node. */
export type WorkerStreamClient = StreamClient<typeof WorkRequestSchema, typeof WorkResponseSchema>;

/** Worker's side of one stream of WorkerService.Work. */
export type WorkerStreamCall = StreamCall<MessageInitShape<typeof WorkRequestSchema>>;

/** @throws CarillonError invalid_argument: the URL */
export function createWorkerStreamClient(options: NodeConnectionOptions): WorkerStreamClient {
  return new StreamClient(WorkerService.method.work, options);
}
