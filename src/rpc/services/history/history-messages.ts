import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  HistoryOrder,
  type ReadHistoryRequest,
  type ReadHistoryResponseSchema,
  type TopicMessageSchema,
} from "../../../../gen/carillon/v1/history_pb.js";
import type { HistoryPage, HistoryQuery } from "../../../core/history.js";
import type { Message } from "../../../core/message.js";
import { invalidArgument } from "../../../errors.js";
import { toMilliseconds, toTimestamp } from "../../values.js";

/** Messages of carillon.v1.HistoryService. */

/** Maximum number of messages of a page. */
export const MAX_MESSAGES = 1_000;

/** Number of messages of a page whose request names none. */
const DEFAULT_MESSAGES = 100;

/** Largest size of the payloads of a page, in bytes. */
const PAGE_BYTES = 1_024 * 1_024;

/** Longest position, in characters. */
const MAX_POSITION = 64;

/** @throws CarillonError invalid_argument */
export function readHistoryRequest(request: ReadHistoryRequest): HistoryQuery {
  const { after, before, limit } = request;
  checkPosition("after", after);
  checkPosition("before", before);
  const since = toMilliseconds("since", request.since);
  return {
    after: after === "" ? undefined : after,
    before: before === "" ? undefined : before,
    since,
    until: toMilliseconds("until", request.until),
    limit: checkLimit("limit", limit) || DEFAULT_MESSAGES,
    bytes: PAGE_BYTES,
    from: toEnd(request.order, before === "" && (after !== "" || since !== undefined)),
  };
}

/** @throws CarillonError invalid_argument: too long */
export function checkPosition(field: string, position: string): void {
  if (position.length > MAX_POSITION) {
    throw invalidArgument(`${field}: a position has at most ${MAX_POSITION} characters`);
  }
}

/** Checks a number of messages. @returns the same number; 0 for the default. @throws CarillonError invalid_argument: too many */
export function checkLimit(field: string, limit: number): number {
  if (limit > MAX_MESSAGES) throw invalidArgument(`${field}: expected at most ${MAX_MESSAGES}, got ${limit}`);
  return limit;
}

/** @param continues - whether the page continues from a known point, which makes the oldest messages the default */
function toEnd(order: HistoryOrder, continues: boolean): HistoryQuery["from"] {
  switch (order) {
    case HistoryOrder.OLDEST_FIRST:
      return "oldest";
    case HistoryOrder.NEWEST_FIRST:
      return "newest";
    case HistoryOrder.UNSPECIFIED:
      return continues ? "oldest" : "newest";
    default:
      throw invalidArgument(`order: unknown value ${String(order)}`);
  }
}

/** Converts a page. Its messages are in the order in which they were requested. */
export function toPageMessage(
  topic: string,
  { messages, more, position }: HistoryPage,
  from: HistoryQuery["from"],
): MessageInitShape<typeof ReadHistoryResponseSchema> {
  const ordered = from === "oldest" ? messages : messages.toReversed();
  return { messages: ordered.map((message) => toTopicMessage(topic, message)), more, position };
}

function toTopicMessage(
  topic: string,
  { event, id, payload, position = "", time }: Message,
): MessageInitShape<typeof TopicMessageSchema> {
  return { topic, payload, id, event, time: toTimestamp(time), position };
}
