/**
 * Topics as NATS subjects: `<prefix>.<vhost>.<topic>`, readable where NATS allows it and reversible always (rule N1).
 *
 * - The default vhost `/` is `_`; another is its path without the first slash, as one token.
 * - In a topic, a dot separates tokens as it does in NATS, except where that would make an empty token.
 * - What a subject cannot hold, and the percent sign, is percent-encoded in UTF-8. Decoding restores the name exactly,
 *   so two topics never share a subject.
 */

const DEFAULT_VHOST = "/";
const DEFAULT_VHOST_TOKEN = "_";

/** In a token: wildcards, the escape itself, and what ends a NATS protocol field. White space is in no topic. */
const UNSAFE = /[*>%\s\p{Cc}]/gu;
const UNSAFE_IN_VHOST = /[*>%./\s\p{Cc}]/gu;
/** A dot that is first, last, or follows a dot. */
const DOT_OF_EMPTY_TOKEN = /^\.|(?<=\.)\.|\.$/g;

export function subjectOf(prefix: string, vhost: string, topic: string): string {
  const tokens = topic.replace(UNSAFE, percentEncode).replace(DOT_OF_EMPTY_TOKEN, "%2E");
  return `${prefix}.${vhostToken(vhost)}.${tokens}`;
}

/** The topic that a subject stands for; undefined for a subject that stands for none. */
export function topicOf(prefix: string, subject: string): { vhost: string; topic: string } | undefined {
  if (!subject.startsWith(`${prefix}.`)) return undefined;
  const rest = subject.slice(prefix.length + 1);
  const dot = rest.indexOf(".");
  if (dot < 1) return undefined;
  const token = rest.slice(0, dot);
  const vhost = token === DEFAULT_VHOST_TOKEN ? DEFAULT_VHOST : `/${decode(token)}`;
  const topic = decode(rest.slice(dot + 1));
  return subjectOf(prefix, vhost, topic) === subject ? { vhost, topic } : undefined;
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

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoded by us: the caller finds that it does not encode back to the same subject.
    return text;
  }
}
