import { isUtf8 } from "node:buffer";
import type { Outcome, PresentResult, Result } from "../../commands/command.js";
import type { HistoryPage } from "../../core/history.js";
import type { Message } from "../../core/message.js";
import type { Notice, PresenceUpdate, Present } from "../../core/notice.js";
import type { CarillonError } from "../../errors.js";
import { LruMap } from "../../util/lru-map.js";
import type { MessageEncoding } from "../dialect.js";
import { toRecoveryMembers } from "../recovery-members.js";

/** Encodes messages as `{"topic":…,"payload":…}`, with `"encoding":"base64"` if the payload is not UTF-8. */
export const nativeEncoding: MessageEncoding = {
  topicText: messageBegin,
  text: ({ payload }, begin) => `${begin}${payloadText(payload)}}`,
  laggedText: () => undefined,
  presenceText,
};

/** Encodes messages with `id`, `time` and, where they exist, `event` and `position` in addition, for clients that connected with `?meta=1`. */
export const nativeEncodingWithMetadata: MessageEncoding = {
  topicText: messageBegin,
  text: (message, begin) => `${begin}${payloadText(message.payload)}${metadataText(message)}}`,
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
  const begin = `{"topic":"${outcome.ok ? "@" : "#"}${command}","payload":${payloadOf(result, topics)}`;
  const replays = replaysText(result);
  if (id === undefined) return `${begin}${replays}}`;
  return `${begin},"id":${id}${outcome.ok ? leftText(result) : failureText(outcome.error)}${replays}}`;
}

function payloadOf(result: Result | undefined, topics: readonly string[]): string {
  if (result?.kind === "present") return presentPayload(result);
  return result?.kind === "history" ? historyPayload(result.topic, result.page) : JSON.stringify(topics);
}

/** Encodes the answer to a ping. @param id - as in {@link answerText} */
export function pongText(id: string | undefined): string {
  return `{"topic":"@pong"${idText(id)}}`;
}

function leftText(result: Result | undefined): string {
  return result?.kind === "joined" && result.left !== undefined ? `,"left":${JSON.stringify(result.left)}` : "";
}

/** Encodes the positions of topics with history, for a join that requested them. */
function replaysText(result: Result | undefined): string {
  if (result?.kind !== "joined" || result.replays === undefined || result.replays.size === 0) return "";
  return `,${JSON.stringify(toRecoveryMembers(result.replays)).slice(1, -1)}`;
}

function historyPayload(topic: string, { messages, more }: HistoryPage): string {
  const texts = messages.map((message) => `{"payload":${payloadText(message.payload)}${metadataText(message)}}`);
  return `{"topic":${JSON.stringify(topic)},"messages":[${texts.join(",")}],"more":${more}}`;
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
function presenceText({ count, joined, left, topic }: PresenceUpdate): string {
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

function metadataText({ event, id, position, time }: Message): string {
  const eventText = event === "" ? "" : `,"event":${JSON.stringify(event)}`;
  const positionText = position === undefined ? "" : `,"position":"${position}"`;
  return `,"id":${JSON.stringify(id)}${eventText},"time":"${new Date(time).toISOString()}"${positionText}`;
}

/** Longest text that is cached, in characters. */
const MAX_KEPT = 256 * 1_024;

/** Cached texts of lists of members, at most 16 Mi characters. A list is replaced when a member joins or leaves. */
const texts = new LruMap<readonly Present[], string>(64);

/** Returns {@link presentText} of a list, cached because the same list is often requested repeatedly. */
function sharedPresentText(members: readonly Present[]): string {
  let text = texts.get(members);
  if (text === undefined) {
    text = presentText(members);
    if (text.length <= MAX_KEPT) texts.set(members, text);
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
