import type { JoinCommand } from "../../commands/command.js";
import { invalidArgument } from "../../errors.js";
import { parseTime } from "../../util/parse-time.js";
import { parseEventId, toTopicKey } from "./event-id.js";

/** Maximum number of messages of a rewind. */
const MAX_MESSAGES = 1_000;

/** Position that no log has given out. A recovery from it fails. */
const UNKNOWN_POSITION = "-";

/**
 * Reads the query of a stream's request.
 * @param text - query without its question mark
 * @param lastEventId - header of that name, which a browser sends when it reconnects; undefined or "" for none
 * @throws CarillonError invalid_argument
 */
export function readStreamQuery(text: string, lastEventId: string | undefined) {
  checkEncoding(text);
  const query = new URLSearchParams(text);
  const topics = query.getAll("topic");
  if (topics.length === 0) throw invalidArgument("topic: at least one is required, as in ?topic=news");
  // The header is newer: a browser repeats the query with which the page opened the stream.
  readFlag(query, "meta");
  const id = lastEventId === undefined || lastEventId === "" ? readOne(query, "last_event_id") : lastEventId;
  const positions = readPositions(query, topics);
  return {
    kind: "join",
    broker: readOne(query, "broker") ?? "",
    topics,
    auth: readOne(query, "auth"),
    group: undefined,
    hidden: readFlag(query, "hidden"),
    presence: undefined,
    replay: { recover: id === undefined ? positions : toPositions(topics, id), latest: readLatest(query) },
  } satisfies JoinCommand;
}

/** Reads the positions of `recover`: one for each topic, empty for a topic without. */
function readPositions(query: URLSearchParams, topics: readonly string[]): ReadonlyMap<string, string> {
  const positions = query.getAll("recover");
  if (positions.length > 0 && positions.length !== topics.length) {
    throw invalidArgument("recover: expected one for each topic, empty for a topic without a position");
  }
  const recover = new Map<string, string>();
  for (const [index, topic] of topics.entries()) {
    const position = positions[index] ?? "";
    if (position !== "") recover.set(topic, position);
  }
  return recover;
}

/** Returns the position of each topic that an id names, after which its messages are recovered. */
function toPositions(topics: readonly string[], id: string): ReadonlyMap<string, string> {
  const parsed = parseEventId(id);
  const known = topics.map((topic) => parsed?.positions.get(toTopicKey(topic)));
  // An id that names no topic of the stream may be that of another server, and has only the form of an id.
  const isOfStream = known.some((position) => position !== undefined);
  const recover = new Map<string, string>();
  for (const [index, topic] of topics.entries()) {
    const position = known[index];
    // A topic that a complete id does not name has no history, or is new to the client.
    if (position === undefined && isOfStream && parsed?.isPartial === false) continue;
    recover.set(topic, position === undefined || position === "" ? UNKNOWN_POSITION : position);
  }
  return recover;
}

function readLatest(query: URLSearchParams): JoinReplay["latest"] {
  const rewind = readOne(query, "rewind");
  const since = readOne(query, "since");
  if (rewind === undefined && since === undefined) return undefined;
  return { limit: readCount("rewind", rewind ?? String(MAX_MESSAGES)), since: readTime("since", since) };
}

type JoinReplay = NonNullable<JoinCommand["replay"]>;

function readCount(name: string, text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (count <= MAX_MESSAGES) return count;
  throw invalidArgument(`${name}: not an integer from 0 to ${MAX_MESSAGES}`);
}

function readTime(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const time = parseTime(text);
  if (time === undefined) throw invalidArgument(`${name}: not a time in RFC 3339`);
  return time;
}

function readFlag(query: URLSearchParams, name: string): boolean | undefined {
  const text = readOne(query, name);
  if (text === undefined || text === "0") return undefined;
  if (text === "1") return true;
  throw invalidArgument(`${name}: neither 0 nor 1`);
}

/** Reads a parameter; undefined for one that is absent or empty. */
function readOne(query: URLSearchParams, name: string): string | undefined {
  const [value, ...more] = query.getAll(name);
  if (more.length > 0) throw invalidArgument(`${name}: more than one`);
  return value === "" ? undefined : value;
}

/** Rejects what URLSearchParams would replace in silence. */
function checkEncoding(text: string): void {
  try {
    decodeURIComponent(text);
  } catch (cause) {
    throw invalidArgument("the query has invalid percent-encoding", cause);
  }
}
