import { CarillonError } from "../../../errors.js";
import { nextTurn } from "../../../util/next-turn.js";
import { replaceValues, splitElements } from "../../../util/raw-json.js";
import type { ExtendedJson, JsonExtension } from "../../service.js";
import type { PublishMessage, PublishRequest } from "./publish-request.js";

/** Member `json` of the messages of a JSON request (rule R11). */
export const messagePayloads: JsonExtension = { extract: extractFromMessages, explain: explainBase64 };

/** Member `json` of a JSON request with one payload. */
export const requestPayload: JsonExtension = { extract: extractFromRequest, explain: explainBase64 };

function explainBase64(reason: string): string {
  if (!/^cannot decode field \S+\.payload from JSON:/.test(reason)) return reason;
  return `${reason}; "payload" is base64, "text" takes text and "json" any JSON value`;
}

/**
 * Takes the member `json` out of the messages of a JSON request, and makes its text their payload (rule R11). Protobuf has no
 * such field: google.protobuf.Value would lose digits, the order of members, and repeated members.
 *
 * @param body - any text
 * @returns undefined if no message has such a member, or the text is not JSON
 */
async function extractFromMessages(body: string): Promise<ExtendedJson | undefined> {
  if (!mayHaveJson(body)) return undefined;
  await nextTurn(body);
  const payloads = new Map<number, string>();
  const rest = replaceValues(body, "messages", (list) => {
    if (!list.startsWith("[")) return list;
    const messages = [...splitElements(list)].map((message, position) => {
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

/** Does the same for a request that itself has the member. */
async function extractFromRequest(body: string): Promise<ExtendedJson | undefined> {
  if (!mayHaveJson(body)) return undefined;
  await nextTurn(body);
  let payload: string | undefined;
  const rest = replaceValues(body, "json", (value) => {
    payload = value;
    return "0";
  });
  if (payload === undefined) return undefined;
  const json = payload;
  return {
    body: rest,
    complete: (request) => {
      checkSinglePayload(request as PayloadForms, "");
      return { ...request, payload: Buffer.from(json) };
    },
  };
}

function mayHaveJson(text: string): boolean {
  // Only an escape of this form can hide the name.
  if (!text.includes('"json"') && !text.includes("\\u")) return false;
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
  checkSinglePayload(message, `messages[${position}].`);
  const { broker, command, event, id, text, topics } = message;
  return { broker, command, event, id, text, topics, payload: Buffer.from(json) };
}

type PayloadForms = Pick<PublishMessage, "payload" | "text">;

/** @throws CarillonError invalid_argument */
function checkSinglePayload({ payload, text }: PayloadForms, where: string): void {
  if (payload.length === 0 && text === "") return;
  throw new CarillonError("invalid_argument", `${where}json: at most one of payload, text and json is allowed`);
}
