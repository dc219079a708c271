import { createHash } from "node:crypto";
import { DEFAULT_VHOST } from "../../../util/names.js";
import { toSubject, toVhostToken } from "../../broker/subject.js";

/**
 * Names of a history class in NATS. A topic with history is published on `<prefix>-history.<class>.<vhost>.<topic>`, which its
 * stream stores and republishes on the topic's own subject (rule N10).
 */

/** Characters that a stream's name may have here. An underscore separates the parts. */
const PLAIN = /^[A-Za-z0-9-]{1,64}$/;

/** Returns the subject on which a topic's messages are stored. */
export function toHistorySubject(prefix: string, className: string, vhost: string, topic: string): string {
  return toSubject(`${prefix}-history.${className}`, vhost, topic);
}

/** Returns the subject that matches all stored topics of a class. */
export function toClassSubject(prefix: string, className: string, vhost: string): string {
  return `${prefix}-history.${className}.${toVhostToken(vhost)}.>`;
}

/** Returns the name of the class whose stored topics a subject matches; undefined for a subject of another kind or vhost. */
export function toClassName(prefix: string, vhost: string, subject: string): string | undefined {
  const begin = `${prefix}-history.`;
  const end = `.${toVhostToken(vhost)}.>`;
  if (!subject.startsWith(begin) || !subject.endsWith(end)) return undefined;
  const name = subject.slice(begin.length, -end.length);
  return /^[\w-]+$/.test(name) ? name : undefined;
}

/** Returns the subject of an anchor; `*` as id matches all. */
export function toAnchorSubject(prefix: string, className: string, vhost: string, id: string): string {
  return `${prefix}-history.$anchor.${className}.${toVhostToken(vhost)}.${id}`;
}

/**
 * Returns the name of a class's stream: `<prefix>-history_<class>`, for other vhosts than `/` with `_<vhost>`. A hash follows
 * where the parts have other characters than letters, digits and dashes.
 */
export function toStreamName(prefix: string, className: string, vhost: string): string {
  const parts = [prefix, className, ...(vhost === DEFAULT_VHOST ? [] : [toVhostToken(vhost)])];
  const readable = parts.map((part) => part.replace(/[^A-Za-z0-9-]/g, "-").slice(0, 64));
  const [first = "", ...others] = readable;
  const hash = parts.every((part) => PLAIN.test(part)) ? "" : `_${hashOf(parts)}`;
  return `${[`${first}-history`, ...others].join("_")}${hash}`;
}

function hashOf(parts: readonly string[]): string {
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 12);
}
