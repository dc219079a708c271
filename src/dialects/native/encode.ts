import { isUtf8 } from "node:buffer";
import type { Outcome } from "../../commands/command.js";
import type { Message } from "../../core/message.js";
import type { Notice } from "../../core/notice.js";
import type { MessageEncoding } from "../dialect.js";

/** What a client may give a command to tell its answer by. */
export type CommandId = string | number;

/** `{"topic":…,"payload":…}` and nothing else; with `"encoding":"base64"` where the payload is not UTF-8. */
export const messageEncoding: MessageEncoding = {
  textMaker(topic) {
    const begin = messageBegin(topic);
    return ({ payload }) => `${begin}${payloadText(payload)}}`;
  },
  laggedText: () => undefined,
};

/** The same with `id`, `event` where there is one, and `time`, for clients that came with `?meta=1`. */
export const messageEncodingWithMetadata: MessageEncoding = {
  textMaker(topic) {
    const begin = messageBegin(topic);
    return (message) => `${begin}${payloadText(message.payload)}${metadataText(message)}}`;
  },
  laggedText: (topic, missed) => JSON.stringify({ topic: "#lagged", payload: [topic], missed }),
};

/** The answer to a command: `@join` for yes, `#join` for no, with the topics as the client gave them. */
export function answerText(
  command: string,
  topics: readonly string[],
  id: CommandId | undefined,
  outcome: Outcome,
): string {
  const answer: Record<string, unknown> = { topic: `${outcome.ok ? "@" : "#"}${command}`, payload: topics };
  if (id !== undefined) {
    answer["id"] = id;
    if (!outcome.ok) answer["error"] = { code: outcome.error.code, message: outcome.error.message };
  }
  return JSON.stringify(answer);
}

/** What was done on the client's behalf reads as the answer to the command that it did not send. */
export function noticeText({ kind, topics }: Notice): string {
  return JSON.stringify({ topic: kind === "joined" ? "@join" : "@leave", payload: topics });
}

/** The answer to a frame that is no command. */
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
