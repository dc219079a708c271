import { isUtf8 } from "node:buffer";
import type { Notice } from "../../core/notice.js";
import type { MessageEncoding } from "../dialect.js";
import { isReserved } from "./channel-name.js";

export const PING = '{"event":"ping"}';
export const PONG = '{"event":"pong"}';

/**
 * Encodes messages as `{"event":CHANNEL,"data":{"raw":TEXT}}`. TEXT is always a string, with `"encoding":"base64"` if the
 * payload is not UTF-8. Clients are informed neither of missed messages nor of other clients' joins and leaves.
 */
export const rootsocketEncoding: MessageEncoding = {
  topicText: (topic) => `{"event":${JSON.stringify(eventOf(topic))},"data":{"raw":`,
  text: ({ payload }, begin) => `${begin}${rawText(payload)}}}`,
  laggedText: () => undefined,
  presenceText: () => undefined,
};

/**
 * Returns the event for a topic. Backends can subscribe clients to topics that are named like the protocol's own events. The
 * prefix `#`, with which no topic begins, distinguishes them.
 */
function eventOf(topic: string): string {
  return isReserved(topic) ? `#${topic}` : topic;
}

function rawText(payload: Uint8Array): string {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (isUtf8(bytes)) return JSON.stringify(bytes.toString("utf8"));
  return `"${bytes.toString("base64")}","encoding":"base64"`;
}

/** @param where - channel of the error; undefined for none */
export function rootsocketErrorText(detail: string, where?: string): string {
  return JSON.stringify({ event: "error", data: where === undefined ? { detail } : { detail, where } });
}

/** Clients recognize a failed subscription by the prefix of this text. */
export function cannotSubscribeText(why: string, channel: string): string {
  return rootsocketErrorText(`cannot subscribe: ${why}`, channel);
}

export function cannotSendText(why: string, channel: string): string {
  return rootsocketErrorText(`cannot send: ${why}`, channel);
}

export function invalidText(why: string, channel?: string): string {
  return rootsocketErrorText(`invalid event: ${why}`, channel);
}

/** Reports ended subscriptions as refused ones. Subscriptions have no answer, so new ones are not reported. */
export function noticeTexts({ kind, topics }: Notice): readonly string[] | undefined {
  if (kind !== "left" || topics.length === 0) return undefined;
  return topics.map((topic) => cannotSubscribeText("the server has ended the subscription", topic));
}
