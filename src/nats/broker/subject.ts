import { DEFAULT_VHOST } from "../../util/names.js";

/**
 * Topics as NATS subjects: `<prefix>.<vhost>.<topic>`, readable where NATS allows it and reversible always (rule N1).
 *
 * - The default vhost `/` is `_`; another is its path without the first slash, as one token.
 * - In a topic, a dot separates tokens as it does in NATS, except where that would make an empty token.
 * - What a subject cannot hold, and the percent sign, is percent-encoded in UTF-8. Decoding restores the name exactly,
 *   so two topics never share a subject.
 */

const DEFAULT_VHOST_TOKEN = "_";

/** In a token: wildcards, the escape itself, and what ends a NATS protocol field. White space is in no topic. */
const UNSAFE = /[*>%\s\p{Cc}]/gu;
const UNSAFE_IN_VHOST = /[*>%./$\s\p{Cc}]/gu;
/** A dot that is first, last, or follows a dot. */
const DOT_OF_EMPTY_TOKEN = /^\.|(?<=\.)\.|\.$/g;

/** Names that stand in a subject as they are: nearly all there are, told by one expression. */
const PLAIN = /^[\w:/@+=-]+(?:\.[\w:/@+=-]+)*$/;

export function toSubject(prefix: string, vhost: string, topic: string): string {
  if (vhost === DEFAULT_VHOST && PLAIN.test(topic)) return `${prefix}.${DEFAULT_VHOST_TOKEN}.${topic}`;
  const tokens = topic.replace(UNSAFE, percentEncode).replace(DOT_OF_EMPTY_TOKEN, "%2E");
  return `${prefix}.${vhostToken(vhost)}.${tokens}`;
}

/** The segment of a topic that a token of a subject stands for. What nobody here has encoded is taken as it is. */
export function toSegment(token: string): string {
  try {
    return decodeURIComponent(token);
  } catch {
    return token;
  }
}

function vhostToken(vhost: string): string {
  if (vhost === DEFAULT_VHOST) return DEFAULT_VHOST_TOKEN;
  const path = vhost.slice(1);
  if (path === DEFAULT_VHOST_TOKEN) return "%5F";
  return path.replace(UNSAFE_IN_VHOST, percentEncode);
}

/** encodeURIComponent leaves some characters alone that must not stay here. */
function percentEncode(character: string): string {
  const encoded = encodeURIComponent(character);
  if (encoded !== character) return encoded;
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}
