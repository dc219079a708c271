import { isUtf8 } from "node:buffer";
import type { JoinedReplay } from "../../commands/command.js";
import type { RecoveryFailure } from "../../core/history.js";
import type { Message } from "../../core/message.js";
import type { Notice } from "../../core/notice.js";
import type { MessageEncoding } from "../dialect.js";
import { toRecoveryMembers } from "../recovery-members.js";
import { KEY_LENGTH, toTopicKey } from "./event-id.js";

/**
 * Text of event streams. Each text is one or more blocks: lines of fields, and an empty line. Source: the HTML standard,
 * "Server-sent events".
 */

/** Begins the data of a payload that cannot be sent as text. Followed by base64, it is a URL that browsers can fetch. */
export const BASE64_BEGIN = "data:application/octet-stream;base64,";

/** Names that messages cannot have, because browsers or this dialect use them. */
const RESERVED = /^(?:open|error|message|carillon\..*)$|\p{Cc}/su;

/** Maximum number of line ends of a payload that is sent as text. Each becomes a line with a field name of its own. */
const MAX_LINE_ENDS = 65_536;

/** Time after which a client reconnects, in milliseconds, until the node sends another one. */
const RETRY_LINE = "retry: 3000\n";

/** Encodes messages with the payload as their data. */
export const eventEncoding: MessageEncoding = createEventEncoding(({ payload }) => payloadData(payload));

/** Encodes messages with a JSON object as their data, for clients that connected with `meta=1`. */
export const eventEncodingWithMetadata: MessageEncoding = createEventEncoding(metadata);

/** Frame without content. Proxies do not close a connection that carries some from time to time. */
export const COMMENT = ":\n\n";

/** How a stream begins. */
export interface StreamBegin {
  /** Id of the stream; "" for a stream without positions. */
  readonly id: string;
  /** Topics that could not be recovered. */
  readonly failures: ReadonlyMap<string, RecoveryFailure>;
}

/** Encodes the first block of a stream. The first event, if there is one, lists the topics that could not be recovered. */
export function encodeBegin({ failures, id }: StreamBegin): string {
  if (failures.size === 0) return id === "" ? `${RETRY_LINE}\n` : `${RETRY_LINE}id: ${id}\n\n`;
  // An empty id makes clients forget an id that cannot be used.
  return `${RETRY_LINE}event: carillon.recovery\ndata: ${JSON.stringify(Object.fromEntries(failures))}\nid: ${id}\n\n`;
}

/** Encodes the first block of a stream whose query has `recover`: an event with the positions of the join. */
export function encodeBeginWithPositions(id: string, replays: ReadonlyMap<string, JoinedReplay>): string {
  return `${RETRY_LINE}event: carillon.positions\ndata: ${JSON.stringify(toRecoveryMembers(replays))}\nid: ${id}\n\n`;
}

/** Encodes an id without an event: clients store it. */
export function encodeId(id: string): string {
  return `id: ${id}\n\n`;
}

/** Encodes the reason why the node ends a stream. @param retry - milliseconds after which the client should reconnect; undefined: unchanged */
export function encodeClose(code: number, reason: string, retry: number | undefined): string {
  return `${retry === undefined ? "" : `retry: ${retry}\n`}${ownEvent("carillon.close", { code, reason })}`;
}

/** Encodes a notice as an event of the server; undefined for one that streams do not report. */
export function noticeText({ kind, topics }: Notice): string | undefined {
  return kind === "unwatched" ? undefined : ownEvent(`carillon.${kind}`, topics);
}

function createEventEncoding(dataOf: (message: Message, topic: string) => string): MessageEncoding {
  return {
    topicText: (topic) => toTopicKey(topic) + topic,
    text(message, topicText) {
      const data = dataLines(dataOf(message, topicText.slice(KEY_LENGTH)));
      // The id comes last, so that the ids of further topics can follow it.
      return `${eventLine(message.event)}${data}${idLine(topicText.slice(0, KEY_LENGTH), message.position)}\n`;
    },
    laggedText: (topic, missed) => ownEvent("carillon.lagged", { topic, missed }),
    presenceText: () => undefined,
  };
}

function ownEvent(name: string, data: unknown): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function eventLine(event: string): string {
  return event === "" || RESERVED.test(event) ? "" : `event: ${event}\n`;
}

function idLine(key: string, position: string | undefined): string {
  return position === undefined ? "" : `id: ${key}${position}\n`;
}

function dataLines(data: string): string {
  const lines = data.includes("\r") ? data.split("\r\n").join("\n").split("\r").join("\n") : data;
  return `data: ${lines.includes("\n") ? lines.split("\n").join("\ndata: ") : lines}\n`;
}

function payloadData(payload: Uint8Array): string {
  const bytes = toBuffer(payload);
  if (!isUtf8(bytes)) return toBase64(bytes);
  const text = bytes.toString("utf8");
  // Text that begins like base64 would be mistaken for it.
  return text.startsWith(BASE64_BEGIN) || hasTooManyLines(text) ? toBase64(bytes) : text;
}

function metadata({ event, id, payload, position, time }: Message, topic: string): string {
  const bytes = toBuffer(payload);
  const content = isUtf8(bytes)
    ? { payload: bytes.toString("utf8") }
    : { payload: bytes.toString("base64"), encoding: "base64" };
  const eventMember = event === "" ? {} : { event };
  return JSON.stringify({ topic, ...content, id, ...eventMember, time: new Date(time).toISOString(), position });
}

function toBuffer(payload: Uint8Array): Buffer {
  return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

function toBase64(bytes: Buffer): string {
  return BASE64_BEGIN + bytes.toString("base64");
}

function hasTooManyLines(text: string): boolean {
  if (text.length <= MAX_LINE_ENDS) return false;
  let ends = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit !== LINE_FEED && unit !== CARRIAGE_RETURN) continue;
    ends += 1;
    if (ends > MAX_LINE_ENDS) return true;
  }
  return false;
}

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
