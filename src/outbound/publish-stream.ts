import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import {
  BroadcastService,
  type MessageSchema,
  type ReceiptSchema,
  type RequestSchema,
  type ResponseSchema,
} from "../../gen/websockets/v1/websockets_pb.js";
import { type NodeConnectionOptions, type StreamCall, StreamClient } from "./stream-client.js";

/** Publisher's connection to a node. */
export type PublishStreamClient = StreamClient<typeof RequestSchema, typeof ResponseSchema>;

/** Publisher's side of one stream of BroadcastService.PublishStream. */
export type PublishStreamCall = StreamCall<MessageInitShape<typeof RequestSchema>>;

/** Message of a request to publish. */
export type PublishedMessage = MessageInitShape<typeof MessageSchema>;

/** Receipt in the answer to such a request. */
export type ConfirmedMessage = MessageShape<typeof ReceiptSchema>;

/** @throws CarillonError invalid_argument: the URL */
export function createPublishStreamClient(options: NodeConnectionOptions): PublishStreamClient {
  return new StreamClient(BroadcastService.method.publishStream, options);
}
