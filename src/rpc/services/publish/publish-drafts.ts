import type { PublicationDraft } from "../../../core/publishing/publication-draft.js";
import { invalidArgument } from "../../../errors.js";
import type { PublishMessage } from "./publish-request.js";

/**
 * Maximum number of messages in one request, because they are decoded, checked, published and answered in one turn of the
 * event loop (rule O12). A stream may carry any number.
 */
const MAX_MESSAGES = 1_000;

/**
 * Converts the messages of a request for the publisher. They are the same objects, unless the payload is given as text.
 *
 * @throws CarillonError invalid_argument: too many messages, a command other than publish (rule R5), or text beside a payload (rule R11)
 */
export function toDrafts(messages: readonly PublishMessage[]): readonly PublicationDraft[] {
  if (messages.length > MAX_MESSAGES) {
    const text = `messages: got ${messages.length}, the limit is ${MAX_MESSAGES}`;
    throw invalidArgument(text);
  }
  let someText = false;
  for (const [position, { command, payload, text }] of messages.entries()) {
    if (command !== "" && command !== "publish") {
      throw invalidArgument(
        `messages[${position}].command: unsupported command ${JSON.stringify(command)}: expected "publish" or ""`,
      );
    }
    if (text === "") continue;
    if (payload.length > 0)
      throw invalidArgument(`messages[${position}].text: at most one of payload, text and json is allowed`);
    someText = true;
  }
  return someText ? messages.map(withTextAsPayload) : messages;
}

function withTextAsPayload(message: PublishMessage): PublicationDraft {
  const { broker, event, id, text, topics } = message;
  return text === "" ? message : { broker, event, id, topics, payload: Buffer.from(text) };
}
