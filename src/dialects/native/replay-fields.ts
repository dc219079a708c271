import type { ReplayRequest } from "../../commands/command.js";
import type { HistoryQuery } from "../../core/history.js";
import { invalidArgument } from "../../errors.js";
import { isObject } from "../../util/json.js";
import { parseTime } from "../../util/parse-time.js";
import type { Fields } from "../json.js";

/** Maximum number of messages of a rewind or a page. */
const MAX_MESSAGES = 1_000;

/** Messages of a page where the client gives no limit. */
const DEFAULT_PAGE = 100;

/** Maximum number of bytes of the payloads of a page. */
const PAGE_BYTES = 1_024 * 1_024;

/** Longest position, in characters. */
const POSITION_LENGTH = 64;

/**
 * Reads the members `recover` and `history` of a join.
 * @param withPositions - whether the client gets positions without requesting them
 * @returns undefined if the client gets neither messages nor positions
 * @throws CarillonError invalid_argument
 */
export function readReplay(fields: Fields, withPositions: boolean): ReplayRequest | undefined {
  const recover = fields["recover"] ?? undefined;
  const latest = fields["history"] ?? undefined;
  if (recover === undefined && latest === undefined && !withPositions) return undefined;
  return { recover: readPositions(recover), latest: readLatest(latest) };
}

/**
 * Reads the payload of a `history` command.
 * @throws CarillonError invalid_argument
 */
export function readHistoryQuery(fields: Fields): HistoryQuery {
  const payload = fields["payload"] ?? {};
  if (!isObject(payload)) throw invalidArgument("payload: not an object");
  checkMembers("payload", payload, QUERY_FIELDS);
  const { after, before, limit, since, until } = payload;
  const query = {
    after: readPosition("payload.after", after ?? undefined),
    before: readPosition("payload.before", before ?? undefined),
    since: readTime("payload.since", since ?? undefined),
    until: readTime("payload.until", until ?? undefined),
    limit: readCount("payload.limit", limit ?? DEFAULT_PAGE),
    bytes: PAGE_BYTES,
  };
  // Pages are read backwards, unless the client continues from a known point.
  const isForward = query.before === undefined && (query.after !== undefined || query.since !== undefined);
  return { ...query, from: isForward ? "oldest" : "newest" };
}

const QUERY_FIELDS: ReadonlySet<string> = new Set(["after", "before", "limit", "since", "until"]);

const REWIND_FIELDS: ReadonlySet<string> = new Set(["limit", "since"]);

function checkMembers(path: string, value: object, known: ReadonlySet<string>): void {
  for (const name of Object.keys(value)) {
    if (!known.has(name)) throw invalidArgument(`${path}.${name}: unknown member`);
  }
}

function readPositions(value: unknown): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  if (!isObject(value)) throw invalidArgument("recover: not an object");
  const positions = new Map<string, string>();
  for (const [topic, position] of Object.entries(value)) {
    const text = readPosition(`recover[${JSON.stringify(topic)}]`, position);
    if (text !== undefined) positions.set(topic, text);
  }
  return positions;
}

function readPosition(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "string" || value === "") throw invalidArgument(`${name}: not a position`);
  if (value.length > POSITION_LENGTH) {
    throw invalidArgument(`${name}: a position has at most ${POSITION_LENGTH} characters`);
  }
  return value;
}

/** Reads `history` of a join: a number of messages, or an object with `limit`, `since` or both. */
function readLatest(value: unknown): ReplayRequest["latest"] {
  if (value === undefined) return undefined;
  if (!isObject(value)) return { limit: readCount("history", value), since: undefined };
  checkMembers("history", value, REWIND_FIELDS);
  const { limit, since } = value;
  return {
    limit: readCount("history.limit", limit ?? MAX_MESSAGES),
    since: readTime("history.since", since ?? undefined),
  };
}

function readCount(name: string, value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_MESSAGES) return value;
  throw invalidArgument(`${name}: not an integer from 0 to ${MAX_MESSAGES}`);
}

/** Reads a time in RFC 3339. */
function readTime(name: string, value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const time = typeof value === "string" ? parseTime(value) : undefined;
  if (time === undefined) throw invalidArgument(`${name}: not a time in RFC 3339`);
  return time;
}
