import type { HistoryQuery, RecoveryFailure, ReplayLimits, ReplayStart, StoredMessage } from "../core/history.js";

/** Messages chosen for a replay. */
export interface SelectedReplay<Stored extends StoredMessage> {
  /** Oldest first. Empty where the replay fails. */
  readonly messages: readonly Stored[];
  readonly failure: RecoveryFailure | undefined;
}

/**
 * Applies the limits of a replay: a recovery gets all of the messages or none, a rewind the newest ones.
 * @param messages - candidates, oldest first: all after the position, or at least the newest ones
 */
export function selectReplay<Stored extends StoredMessage>(
  messages: readonly Stored[],
  start: ReplayStart,
  limits: ReplayLimits,
): SelectedReplay<Stored> {
  if (start.kind === "after") {
    const fits = messages.length <= limits.messages && countNewest(messages, limits) === messages.length;
    return fits ? { messages, failure: undefined } : { messages: [], failure: "too_many" };
  }
  const { limit, since = Number.NEGATIVE_INFINITY } = start;
  const bounds = { messages: Math.min(limit, limits.messages), bytes: limits.bytes };
  const count = countNewest(messages, bounds, ({ time }) => time >= since);
  return { messages: messages.slice(messages.length - count), failure: undefined };
}

/** Counts the newest messages within bounds. */
function countNewest<Stored extends StoredMessage>(
  messages: readonly Stored[],
  bounds: ReplayLimits,
  isWanted: (message: Stored) => boolean = () => true,
): number {
  let count = 0;
  let bytes = 0;
  while (count < bounds.messages) {
    const message = messages[messages.length - 1 - count];
    if (message === undefined || !isWanted(message)) break;
    bytes += message.payload.length;
    if (bytes > bounds.bytes) break;
    count += 1;
  }
  return count;
}

/** Sum of the payloads' sizes. */
export function sumPayloadBytes(messages: readonly StoredMessage[]): number {
  return messages.reduce((sum, { payload }) => sum + payload.length, 0);
}

/**
 * Applies the limits of a page.
 * @param messages - all messages within the bounds of the query, oldest first; or, if there are too many, at least one more
 *   than the limit on the side of `from`
 */
export function selectPage<Stored extends StoredMessage>(
  messages: readonly Stored[],
  { bytes: limit, from, limit: mostMessages }: Pick<HistoryQuery, "bytes" | "from" | "limit">,
): { readonly messages: readonly Stored[]; readonly more: boolean } {
  const most = Math.min(mostMessages, messages.length);
  let count = 0;
  let bytes = 0;
  while (count < most) {
    bytes += messages[from === "oldest" ? count : messages.length - 1 - count]?.payload.length ?? 0;
    // A page is never empty because of a large message; otherwise a reader would not get past it.
    if (bytes > limit && count > 0) break;
    count += 1;
  }
  const page = from === "oldest" ? messages.slice(0, count) : messages.slice(messages.length - count);
  return { messages: page, more: count < messages.length };
}
