import type { Backend } from "../../../access/keys/backend.js";
import { checkTopic } from "../../../control/checks.js";
import { CarillonError } from "../../../errors.js";
import { isObject } from "../../../util/json.js";
import { readRequestText } from "../../backend-http.js";
import { type Fields } from "../../json.js";
import { channelProblem } from "../channel-name.js";
import { EVENT_BYTES } from "../decode.js";
import type { RestCall } from "./call.js";

/** Members of a body, with its text as sent. */
export interface Body {
  readonly fields: Fields;
  readonly text: string;
}

/**
 * @throws CarillonError invalid_argument; resource_exhausted: larger than the largest event, or the node's budget is
 * exhausted; cancelled
 */
export async function readBody({ lease, request }: Pick<RestCall, "lease" | "request">): Promise<Body> {
  const { text, value } = await readRequestText(request, { limit: EVENT_BYTES, lease });
  if (!isObject(value)) throw new CarillonError("invalid_argument", "the body is not a JSON object");
  return { fields: value, text };
}

/** @throws CarillonError invalid_argument; permission_denied: a channel that this backend may not use */
export function readChannel(backend: Backend, fields: Fields): string {
  const channel = fields["channel"] ?? undefined;
  if (typeof channel !== "string") {
    throw new CarillonError("invalid_argument", `channel ${channel === undefined ? "is missing" : "is not a string"}`);
  }
  const problem = channelProblem(channel);
  if (problem !== undefined) throw new CarillonError("invalid_argument", `channel ${problem}`);
  checkTopic(backend, "channel", channel);
  return channel;
}
