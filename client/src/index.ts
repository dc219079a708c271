export { type Client, type ClientEvents, createClient } from "./client.js";
export type { CommandOptions } from "./commands.js";
export { ClientError, Unauthorized } from "./errors.js";
export type { IteratorOptions, Topic, TopicEvents } from "./topic.js";
export type {
  ClientClock,
  ClientOptions,
  CloseDetail,
  ConnectionState,
  Frame,
  JoinOutcome,
  JoinReason,
  Message,
  PublishOptions,
  RequestOptions,
  StateRequest,
  TopicOptions,
  WebSocketConstructor,
  WebSocketLike,
} from "./types.js";
