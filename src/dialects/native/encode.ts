import { isUtf8 } from "node:buffer";
import type { Outcome, PresentResult, Result } from "../../commands/command.js";
import type { Message } from "../../core/message.js";
import type { Notice, PresenceNews, Present } from "../../core/notice.js";
import type { CarillonError } from "../../errors.js";
import { LruMap } from "../../util/lru-map.js";
import type { MessageEncoding } from "../dialect.js";

/** Encodes messages as `{"topic":…,"payload":…}`, with `"encoding":"base64"` if the payload is not UTF-8. */
export const nativeEncoding: MessageEncoding = {
  textMaker(topic) {
    const begin = messageBegin(topic);
    return ({ payload }) => `${begin}${payloadText(payload)}}`;
  },
  laggedText: () => undefined,
  presenceText,
};

/** Encodes messages with `id`, `time` and, if there is one, `event` in addition, for clients that connected with `?meta=1`. */
export const nativeEncodingWithMetadata: MessageEncoding = {
  textMaker(topic) {
    const begin = messageBegin(topic);
    return (message) => `${begin}${payloadText(message.payload)}${metadataText(message)}}`;
  },
  laggedText: (topic, missed) => JSON.stringify({ topic: "#lagged", payload: [topic], missed }),
  presenceText,
};

/**
 * Encodes the answer to a command, such as `@join` for success and `#join` for a refusal. It carries the topics as the client
 * sent them, or the result.
 * @param id - JSON text as the client sent it; undefined for none
 */
export function answerText(
  command: string,
  topics: readonly string[],
  id: string | undefined,
  outcome: Outcome,
): string {
  const result = outcome.ok ? outcome.result : undefined;
  if (result?.kind === "part") return partText(result, id);
  const payload = result?.kind === "present" ? presentPayload(result) : JSON.stringify(topics);
  const begin = `{"topic":"${outcome.ok ? "@" : "#"}${command}","payload":${payload}`;
  if (id === undefined) return `${begin}}`;
  return `${begin},"id":${id}${outcome.ok ? leftText(result) : failureText(outcome.error)}}`;
}

/** Encodes the answer to a ping. @param id - as in {@link answerText} */
export function pongText(id: string | undefined): string {
  return `{"topic":"@pong"${idText(id)}}`;
}

function leftText(result: Result | undefined): string {
  return result?.kind === "left" ? `,"left":${JSON.stringify(result.topics)}` : "";
}

function failureText({ code, message }: CarillonError): string {
  return `,"error":${JSON.stringify({ code, message })}`;
}

function idText(id: string | undefined): string {
  return id === undefined ? "" : `,"id":${id}`;
}

/** Encodes a part of a call's answer, in the same way as a message's payload. */
function partText({ more, payload }: Extract<Result, { kind: "part" }>, id: string | undefined): string {
  return `${messageBegin("@call")}${payloadText(payload)}${idText(id)}${more ? ',"more":true' : ""}}`;
}

function presentPayload({ count, members, more, topic, users }: PresentResult): string {
  const begin = `{"topic":${JSON.stringify(topic)},"count":${count},"users":${users}`;
  return `${begin},"members":[${sharedPresentText(members)}]${more ? ',"more":true' : ""}}`;
}

/** Encodes a change of presence: members that have joined, with their info, and members that have left, without. */
function presenceText({ count, joined, left, topic }: PresenceNews): string {
  const gone = left.map(({ connectionId, user }) => ({ connection: connectionId, user }));
  const begin = JSON.stringify({ topic: "@presence", payload: { topic, count } }).slice(0, -2);
  return `${begin},"joined":[${presentText(joined)}],"left":${JSON.stringify(gone)}}}`;
}

/** Encodes a notice in the format of the answer to the same command from a client. */
export function nativeNoticeText({ kind, topics }: Notice): string {
  return JSON.stringify({ topic: NOTICES[kind], payload: topics });
}

const NOTICES: Readonly<Record<Notice["kind"], string>> = {
  joined: "@join",
  left: "@leave",
  unwatched: "#presence",
};

/** Encodes the answer to a malformed frame. */
export function malformedText(why: string): string {
  return JSON.stringify({ topic: "#error", payload: [why] });
}

function messageBegin(topic: string): string {
  return `{"topic":${JSON.stringify(topic)},"payload":`;
}

function payloadText(payload: Uint8Array): string {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (isUtf8(bytes)) return JSON.stringify(bytes.toString("utf8"));
  return `"${bytes.toString("base64")}","encoding":"base64"`;
}

function metadataText({ event, id, time }: Message): string {
  const eventText = event === "" ? "" : `,"event":${JSON.stringify(event)}`;
  return `,"id":${JSON.stringify(id)}${eventText},"time":"${new Date(time).toISOString()}"`;
}

/** Longest text that is cached, in characters. */
const LONGEST_KEPT = 256 * 1_024;

/** Cached texts of lists of members, at most 16 Mi characters. A list is replaced when a member joins or leaves. */
const texts = new LruMap<readonly Present[], string>(64);

/** Returns {@link presentText} of a list, cached because the same list is often requested repeatedly. */
function sharedPresentText(members: readonly Present[]): string {
  let text = texts.get(members);
  if (text === undefined) {
    text = presentText(members);
    if (text.length <= LONGEST_KEPT) texts.set(members, text);
  }
  return text;
}

/**
 * Encodes members as JSON, without the enclosing brackets. Their info is copied as JSON text, so that its numbers keep all
 * digits.
 */
function presentText(members: readonly Present[]): string {
  return members
    .map(({ connectionId, info, user }) => {
      return `{"connection":${JSON.stringify(connectionId)},"user":${JSON.stringify(user)},"info":${info}}`;
    })
    .join(",");
}
