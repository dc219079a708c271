import type { Backend } from "../../../access/keys/backend.js";
import type { Publisher } from "../../../core/publishing/publisher.js";
import { CarillonError } from "../../../errors.js";
import { findValueText } from "../../../util/raw-json.js";
import { answerJson } from "../../backend-http.js";
import { findHistoryAhead } from "../../find-history-ahead.js";
import { hasLoneSurrogate } from "../../json.js";
import { type Body, readBody, readChannel } from "./body.js";
import type { RestMethod } from "./call.js";

export interface MessagesOptions {
  readonly publisher: Pick<Publisher, "historyOf" | "publish">;
  /** Receives the duration of each publish until the broker had it, in seconds. */
  readonly onPublished: (seconds: number) => void;
}

/** Creates the method that publishes a message. It answers when the broker has the message. */
export function createMessagesMethod({ onPublished, publisher }: MessagesOptions): RestMethod {
  return {
    action: "publish",
    handle: async (call) => {
      const { backend, request, response } = call;
      const body = await readBody(call);
      const channel = readChannel(backend, body.fields);
      const payload = Buffer.from(readData(body));
      const begin = performance.now();
      const id = await publish(publisher, backend, channel, payload);
      onPublished((performance.now() - begin) / 1_000);
      answerJson(request, response, 201, { id });
    },
  };
}

async function publish(
  publisher: Pick<Publisher, "historyOf" | "publish">,
  { vhost }: Backend,
  channel: string,
  payload: Uint8Array,
): Promise<string> {
  // The channel was checked against the key's topics.
  const drafts = [{ broker: "", topics: [channel], payload, event: "", id: "" }];
  try {
    const findHistory = await findHistoryAhead(publisher, vhost, drafts);
    const source = { kind: "backend", sender: "", vhost, findHistory, refusal: () => undefined } as const;
    const [receipt] = await publisher.publish(source, drafts);
    return receipt?.id ?? "";
  } catch (cause) {
    const { code, message } = CarillonError.from(cause);
    // The caller has sent a single message, not a list.
    throw new CarillonError(code, message.replace(/^messages\[0\]\.payload/, "data"), { cause });
  }
}

/** Reads the data: the characters of a string, or the JSON text of any other value as sent. */
function readData({ fields, text }: Body): string {
  const { data } = fields;
  if (data === undefined) throw new CarillonError("invalid_argument", "data is missing");
  if (typeof data !== "string") return findValueText(text, "data") ?? "null";
  if (hasLoneSurrogate(data)) throw new CarillonError("invalid_argument", "data is not valid Unicode");
  return data;
}
