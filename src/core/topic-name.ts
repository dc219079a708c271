/** Longest topic name, in bytes of UTF-8. */
export const MAX_TOPIC_BYTES = 255;

/** Longest event name and message id, in bytes of UTF-8. */
export const MAX_LABEL_BYTES = 255;

/** Printable ASCII without a reserved first character: decides nearly every name with one expression. */
const PLAIN = /^[!"%-?A-~][!-~]{0,254}$/;
const RESERVED_FIRST = /^[@#$]/;
const UNSEEN = /[\p{White_Space}\p{Cc}]/u;
const LONE_SURROGATE = /\p{Surrogate}/u;
const CONTROL = /\p{Cc}/u;

/**
 * Describes why a topic name is invalid, as a phrase that follows the name; undefined for a valid name.
 *
 * Rule T1: 1 to 255 bytes of UTF-8, without control characters or white space, not starting with `@`, `#` or `$`.
 */
export function topicProblem(name: string): string | undefined {
  if (PLAIN.test(name)) return undefined;
  if (name === "") return "is empty";
  if (Buffer.byteLength(name) > MAX_TOPIC_BYTES) return `is longer than ${MAX_TOPIC_BYTES} bytes`;
  if (RESERVED_FIRST.test(name)) return "begins with a reserved character (@, # or $)";
  if (LONE_SURROGATE.test(name)) return "is not valid Unicode";
  if (UNSEEN.test(name)) return "contains whitespace or a control character";
  return undefined;
}

/**
 * Describes why an event name or a message id is invalid; undefined for a valid one and for "".
 *
 * Rule T2: up to 255 bytes of UTF-8, no control characters, no white space at either end.
 */
export function labelProblem(label: string): string | undefined {
  if (label === "") return undefined;
  if (Buffer.byteLength(label) > MAX_LABEL_BYTES) return `is longer than ${MAX_LABEL_BYTES} bytes`;
  if (LONE_SURROGATE.test(label)) return "is not valid Unicode";
  if (CONTROL.test(label)) return "contains a control character";
  if (label !== label.trim()) return "begins or ends with whitespace";
  return undefined;
}
