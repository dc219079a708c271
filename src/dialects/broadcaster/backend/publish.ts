import type { IncomingMessage, ServerResponse } from "node:http";
import { type Backend, backendId, VHOST_HEADER } from "../../../access/keys/backend.js";
import type { Source } from "../../../core/publishing/publication-draft.js";
import type { Publisher } from "../../../core/publishing/publisher.js";
import { CarillonError } from "../../../errors.js";
import type { OpenRequestLease } from "../../../net/byte-budget.js";
import { type RequestAuthorizer, readRequestText, setRetryAfter, toHttpStatus } from "../../backend-http.js";
import { findHistoryAhead } from "../../find-history-ahead.js";
import { checkChannel, readPublication } from "../decode.js";
import { messageText } from "../encode.js";
import { answer, answerError, answerWrongMethod } from "./answer.js";
import { allowPages, type PageRules } from "./pages.js";

export interface PublishOptions extends PageRules {
  readonly authorizer: RequestAuthorizer;
  readonly publisher: Publisher;
  /** Largest body, in bytes. */
  readonly requestBytes: number;
  readonly openLease: OpenRequestLease;
  /** Receives the duration of each publish until its answer, in seconds. */
  readonly onPublished: (seconds: number) => void;
  /** Receives errors that are faults of this server, not refusals. */
  readonly onFault: (cause: unknown) => void;
}

/** Publishes the message in a backend's request, and answers with that message. Never rejects. */
export async function handlePublish(
  request: IncomingMessage,
  response: ServerResponse,
  options: PublishOptions,
): Promise<void> {
  try {
    allowPages(request, response, options);
    if (request.method === "OPTIONS") answer(request, response, {});
    else if (request.method === "POST") answer(request, response, { body: await publish(request, options) });
    else answerWrongMethod(request, response, "POST, OPTIONS");
  } catch (cause) {
    const error = CarillonError.from(cause);
    if (error !== cause) options.onFault(cause);
    // The caller has sent a single message, not a list.
    const message = error.message.replace(/^messages\[0\]\./, "");
    setRetryAfter(response, error);
    answerError(request, response, { code: error.code, message }, toHttpStatus(error));
  }
}

/**
 * @returns the message, as JSON text
 * @throws CarillonError
 */
async function publish(request: IncomingMessage, options: PublishOptions): Promise<string> {
  const begin = performance.now();
  const { onPublished, publisher } = options;
  const backend = admit(request, options);
  const lease = options.openLease(request, backendId(backend));
  const { text, value } = await readRequestText(request, { limit: options.requestBytes, lease });
  const { channel, event, payload } = readPublication(value, text);
  checkChannel(channel);
  const draft = { broker: "", topics: [channel], payload, event, id: "" };
  const findHistory = await findHistoryAhead(publisher, backend.vhost, [draft]);
  const prepared = publisher.prepare(toSource(backend, findHistory), [draft]);
  const [receipt] = await publisher.send(prepared);
  onPublished((performance.now() - begin) / 1_000);
  return messageText(channel, { id: receipt?.id ?? "", time: prepared.time, event, payload });
}

/** Admits the backend. If the request names a vhost, it must be the key's. */
function admit({ headers }: IncomingMessage, { authorizer }: PublishOptions): Backend {
  const { authorization, [VHOST_HEADER]: vhost } = headers;
  const named = typeof vhost === "string" ? vhost : undefined;
  return authorizer.admit({ authorization, certificate: undefined, vhost: named }, "publish");
}

function toSource(backend: Backend, findHistory: Source["findHistory"]): Source {
  return {
    kind: "backend",
    vhost: backend.vhost,
    sender: "",
    findHistory,
    refusal: (topic) =>
      backend.mayUse(topic)
        ? undefined
        : new CarillonError(
            "permission_denied",
            `key ${JSON.stringify(backend.name)} is not permitted to use this channel`,
          ),
  };
}
