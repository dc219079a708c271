/**
 * Session ids as UUIDs, for protocols whose clients and workers expect 36 characters. The mapping depends on the id alone, so
 * that all nodes agree on it, and is reversible: `0123456789ab.1z` is `01234567-89ab-8000-8000-000000000047`.
 */

/** NODE.NUMBER: 48 bits in hexadecimal, and a count in base 36. */
const SESSION_ID = /^([\da-f]{8})([\da-f]{4})\.([\da-z]{1,11})$/;

/** Version 8 (RFC 9562 §5.8): the node, and the count in the bits after the variant. */
const SESSION_UUID = /^([\da-f]{8})-([\da-f]{4})-8000-(8[\da-f]{3})-([\da-f]{12})$/;

const VARIANT = 0x80_00;
/** Number of counts that the last group can hold. The higher bits of a count go into the fourth group. */
const LAST_GROUP = 2 ** 48;

/** @returns the id itself where it is not a session id, such as a sender chosen by a NATS client */
export function toSessionUuid(id: string): string {
  const [, first = "", second = "", digits = ""] = SESSION_ID.exec(id) ?? [];
  const count = Number.parseInt(digits, 36);
  if (!Number.isSafeInteger(count)) return id;
  const fourth = (VARIANT + Math.floor(count / LAST_GROUP)).toString(16);
  return `${first}-${second}-8000-${fourth}-${(count % LAST_GROUP).toString(16).padStart(12, "0")}`;
}

/** Converts a UUID back to its session id. @returns the text itself where it is not a session's UUID */
export function fromSessionUuid(text: string): string {
  const [, first = "", second = "", fourth = "", last = ""] = SESSION_UUID.exec(text.toLowerCase()) ?? [];
  if (last === "") return text;
  const count = (Number.parseInt(fourth, 16) - VARIANT) * LAST_GROUP + Number.parseInt(last, 16);
  return Number.isSafeInteger(count) ? `${first}${second}.${count.toString(36)}` : text;
}
