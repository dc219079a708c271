import { invalidArgument } from "../errors.js";
import type { ConfirmedMessage, PublishedMessage } from "../outbound/publish-stream.js";

/** Message to publish. It has one payload: `payload`, `text` or `json`. */
export interface PublisherMessage {
  /** Name of a topic, or several names. */
  readonly topic: string | readonly string[];
  readonly payload?: Uint8Array;
  readonly text?: string;
  /** Any value that JSON can express. */
  readonly json?: unknown;
  /** Name of the event, at most 255 bytes. */
  readonly event?: string;
  /**
   * Id, at most 255 bytes. Topics with a history publish each id once. Default: a random id, so that a message that is sent again
   * after a lost connection is published once there.
   */
  readonly id?: string;
  /** Name of the broker. Default: the vhost's first one. */
  readonly broker?: string;
}

/** How far a message got. */
export interface PublisherReceipt {
  readonly id: string;
  /** `stored`: on all of its topics, which have a history. `none`: the message had only empty topic names. */
  readonly stage: "none" | "accepted" | "flushed" | "stored";
  /** Position of the message, if exactly one of its topics has a history; otherwise "". */
  readonly position: string;
  /** Whether the id had been published before on each topic with a history. */
  readonly duplicate: boolean;
  /** Results by topic, if several have a history. */
  readonly topics: readonly { readonly topic: string; readonly position: string; readonly duplicate: boolean }[];
}

/** Stages by their numbers in the proto file. */
const STAGES = ["none", "accepted", "flushed", "stored"] as const;

/** Converts a message to its form on the wire. @param id - used if the message has none @throws CarillonError invalid_argument */
export function toPublishedMessage(message: PublisherMessage, id: string): PublishedMessage & { readonly id: string } {
  const { broker = "", event = "", topic } = message;
  const topics = typeof topic === "string" ? [topic] : [...topic];
  return { topics, ...readPayload(message), event, id: message.id || id, broker };
}

function readPayload({
  json,
  payload,
  text,
}: PublisherMessage): { readonly text: string } | { readonly payload: Uint8Array } {
  const given = [json, payload, text].filter((each) => each !== undefined);
  if (given.length !== 1) throw invalidArgument("expected exactly one of payload, text and json");
  if (payload !== undefined) return { payload };
  if (text !== undefined) return { text };
  const encoded = JSON.stringify(json) as string | undefined;
  if (encoded === undefined) throw invalidArgument("json: expected a value that JSON can express");
  return { text: encoded };
}

/** Estimates the bytes of a message in a request. */
export function estimateBytes({ event = "", id = "", payload, text = "", topics = [] }: PublishedMessage): number {
  const names = topics.reduce((sum, topic) => sum + topic.length, 0);
  return names + event.length + id.length + text.length * MAX_BYTES_PER_UNIT + (payload?.length ?? 0);
}

/** UTF-8 takes at most three bytes for a UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3;

export function toReceipt({ duplicate, id, position, stage, topics }: ConfirmedMessage): PublisherReceipt {
  return {
    id,
    stage: STAGES[stage],
    position,
    duplicate,
    topics: topics.map((each) => ({ topic: each.topic, position: each.position, duplicate: each.duplicate })),
  };
}
