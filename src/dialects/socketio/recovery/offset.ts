/**
 * Offsets: the last argument of each event, which a client sends back when it reconnects. An offset has the whole state of a
 * session: its tag, then each topic with the position of the newest message that the client has received, as
 * `TAG,TOPIC=POSITION,+TOPIC=POSITION`. A plus marks a topic of the group of `spectate`.
 */

/**
 * Largest offset, in characters. It is part of every message, and of the connect request. A session in more topics cannot be
 * recovered.
 */
export const MAX_OFFSET = 4_096;

/** Length of a tag and of the longest position, with their separators. */
const MAX_TAG_PART = 17;
const MAX_POSITION_PART = 66;

const POSITION = /^[\w.-]{1,64}$/;
const GROUPED = "+";

/** State of an earlier session. */
export interface SessionState {
  readonly tag: string;
  /** Positions by topic. At least one. */
  readonly positions: ReadonlyMap<string, string>;
  /** Topics of the group of `spectate`. */
  readonly grouped: ReadonlySet<string>;
}

/** Returns the part of a topic in offsets, without its position. Other characters than those of separators stay readable. */
export function createTopicPart(topic: string, grouped: boolean): string {
  return `,${grouped ? GROUPED : ""}${encodeURIComponent(topic)}=`;
}

/** Whether an offset with these parts fits, whatever the positions are. */
export function offsetFits(topicParts: Iterable<string>): boolean {
  let length = MAX_TAG_PART;
  for (const part of topicParts) length += part.length + MAX_POSITION_PART;
  return length <= MAX_OFFSET;
}

/** Parses the offset of a connect request; undefined for an invalid one. */
export function parseOffset(offset: unknown): SessionState | undefined {
  if (typeof offset !== "string" || offset.length > MAX_OFFSET) return undefined;
  const [tag = "", ...parts] = offset.split(",");
  const positions = new Map<string, string>();
  const grouped = new Set<string>();
  for (const part of parts) {
    const [name = "", position = "", ...more] = part.split("=");
    const isGrouped = name.startsWith(GROUPED);
    const topic = decodeTopic(isGrouped ? name.slice(GROUPED.length) : name);
    if (topic === undefined || more.length > 0 || !POSITION.test(position) || positions.has(topic)) return undefined;
    positions.set(topic, position);
    if (isGrouped) grouped.add(topic);
  }
  return positions.size === 0 ? undefined : { tag, positions, grouped };
}

function decodeTopic(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
