import { DEFAULT_VHOST } from "../../util/names.js";

/**
 * Mapping of topics to NATS subjects: `<prefix>.<vhost>.<topic>`, readable where NATS allows it, and always reversible
 * (rule N1).
 *
 * - The default vhost `/` is `_`; another is its path without the first slash, as one token.
 * - In a topic, a dot separates tokens as in NATS, except where that would create an empty token.
 * - Characters that a subject cannot contain, and the percent sign, are percent-encoded in UTF-8. Decoding restores the
 *   name exactly, so two topics never share a subject.
 */

const DEFAULT_VHOST_TOKEN = "_";

/** Matches characters that a token cannot contain: wildcards, the escape character, and separators of the NATS protocol. */
const UNSAFE = /[*>%\s\p{Cc}]/gu;
const UNSAFE_IN_VHOST = /[*>%./$\s\p{Cc}]/gu;
/** Matches a dot that is first, last, or follows a dot. */
const DOT_OF_EMPTY_TOKEN = /^\.|(?<=\.)\.|\.$/g;

/** Fast path: matches names that need no encoding, which are nearly all. */
const PLAIN = /^[\w:/@+=-]+(?:\.[\w:/@+=-]+)*$/;

export function toSubject(prefix: string, vhost: string, topic: string): string {
  if (vhost === DEFAULT_VHOST && PLAIN.test(topic)) return `${prefix}.${DEFAULT_VHOST_TOKEN}.${topic}`;
  const tokens = topic.replace(UNSAFE, percentEncode).replace(DOT_OF_EMPTY_TOKEN, "%2E");
  return `${prefix}.${toVhostToken(vhost)}.${tokens}`;
}

/** Decodes a token of a subject to a segment of a topic. A token of another program may be malformed; it is kept as is. */
export function toSegment(token: string): string {
  try {
    return decodeURIComponent(token);
  } catch {
    return token;
  }
}

/** Encodes a vhost as one token of a subject. */
export function toVhostToken(vhost: string): string {
  if (vhost === DEFAULT_VHOST) return DEFAULT_VHOST_TOKEN;
  const path = vhost.slice(1);
  if (path === DEFAULT_VHOST_TOKEN) return "%5F";
  return path.replace(UNSAFE_IN_VHOST, percentEncode);
}

/** Encodes a character, also one that encodeURIComponent keeps. */
function percentEncode(character: string): string {
  const encoded = encodeURIComponent(character);
  if (encoded !== character) return encoded;
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}
