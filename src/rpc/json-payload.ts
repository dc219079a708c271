import { CarillonError } from "../errors.js";
import { elementTexts, replaceValues } from "../util/raw-json.js";
import type { PublishMessage, PublishRequest } from "./broadcast-codec.js";
import type { ExtendedJson, JsonExtension } from "./services.js";

/** The member `json` of messages in requests that are JSON (rule R11). */
export const jsonPayloads: JsonExtension = {
  extract: extractJsonPayloads,
  explain: (reason) =>
    reason.startsWith("cannot decode field websockets.") && reason.includes(".Message.payload from JSON:")
      ? `${reason}; "payload" is base64, "text" takes text and "json" any JSON value`
      : reason,
};

/**
 * Takes the member `json` out of the messages of a request that is JSON, and makes its text their payload (rule R11).
 * Protobuf has no such field: google.protobuf.Value would lose digits, the order of members, and members of the same name.
 *
 * @param body - any text
 * @returns undefined where no message has such a member, or the text is not JSON
 */
function extractJsonPayloads(body: string): ExtendedJson | undefined {
  // Only such an escape can hide the name.
  if (!body.includes('"json"') && !body.includes("\\u")) return undefined;
  if (!isJsonObject(body)) return undefined;
  const payloads = new Map<number, string>();
  const rest = replaceValues(body, "messages", (list) => {
    if (!list.startsWith("[")) return list;
    const messages = [...elementTexts(list)].map((message, position) => {
      if (!message.startsWith("{")) return message;
      return replaceValues(message, "json", (value) => {
        payloads.set(position, value);
        return "0";
      });
    });
    return `[${messages.join(",")}]`;
  });
  if (payloads.size === 0) return undefined;
  return { body: rest, complete: (request) => withPayloads(request as PublishRequest, payloads) };
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** @throws CarillonError invalid_argument: `json` beside a payload or a text */
function withPayloads({ messages }: PublishRequest, payloads: ReadonlyMap<number, string>): PublishRequest {
  return {
    messages: messages.map((message, position) => {
      const json = payloads.get(position);
      return json === undefined ? message : withPayload(message, json, position);
    }),
  };
}

function withPayload(message: PublishMessage, json: string, position: number): PublishMessage {
  if (message.payload.length > 0 || message.text !== "") {
    const text = `messages[${position}].json: only one of payload, text and json may be given`;
    throw new CarillonError("invalid_argument", text);
  }
  const { broker, command, event, id, text, topics } = message;
  return { broker, command, event, id, text, topics, payload: Buffer.from(json) };
}
