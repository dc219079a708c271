import type { IncomingMessage } from "node:http";
import type { Backend } from "../../access/backend.js";
import { checkTopic } from "../../control/checks.js";
import { type Fields, isObject } from "../../dialects/json.js";
import { channelFault } from "../../dialects/rootsocket/channel-name.js";
import { EVENT_BYTES } from "../../dialects/rootsocket/decode.js";
import { CarillonError } from "../../errors.js";
import { readWritten } from "../http.js";

/** A body that is refused for its size: HTTP tells that from too many of them. */
export class TooLarge extends CarillonError {}

/** The members of a body, and their text as it was sent. */
export interface Body {
  readonly fields: Fields;
  readonly text: string;
}

/** @throws CarillonError invalid_argument; TooLarge: larger than an event may be; cancelled */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const { text, value } = await readWritten(request, EVENT_BYTES).catch((cause: unknown) => {
    const error = CarillonError.from(cause);
    throw error.code === "resource_exhausted" ? new TooLarge(error.code, error.message) : cause;
  });
  if (!isObject(value)) throw new CarillonError("invalid_argument", "the body is not a JSON object");
  return { fields: value, text };
}

/** @throws CarillonError invalid_argument; permission_denied: a channel that is not for this backend */
export function readChannel(backend: Backend, fields: Fields): string {
  const channel = fields["channel"] ?? undefined;
  if (typeof channel !== "string") {
    throw new CarillonError("invalid_argument", `channel ${channel === undefined ? "is missing" : "is not a string"}`);
  }
  const fault = channelFault(channel);
  if (fault !== undefined) throw new CarillonError("invalid_argument", `channel ${fault}`);
  checkTopic(backend, "channel", channel);
  return channel;
}
