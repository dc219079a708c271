import type { BackendAction } from "../access/decide/actions.js";
import type { JsonObject } from "../access/decide/principal.js";
import { checkPatterns } from "../access/keys/keyring.js";
import { vhostPath } from "../config/schema-builder.js";
import { CarillonError } from "../errors.js";
import { isObject } from "../util/json.js";

/**
 * Store entries of vhosts, channels and keys created at run time. Names are in base64url, because store keys allow few
 * characters.
 */

export interface VhostRecord {
  /** Unique id, which tells a vhost from a deleted one with the same path. */
  readonly id: string;
  readonly path: string;
  /** Settings without defaults, so that a later version applies its own. */
  readonly settings: JsonObject;
}

export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the key, 64 hexadecimal digits. */
  readonly hash: string;
  readonly actions: readonly ("*" | BackendAction)[];
  readonly topics: readonly string[];
  /** In milliseconds since the epoch. */
  readonly created: number;
}

export const VHOSTS = "vhosts/";
export const KEYS = "keys/";
export const CHANNELS = "channels/";
/** Prefix of the times of keys' last use. */
export const USES = "key-uses/";
/** Entry whose existence records that keys have existed. */
export const GUARDED = "guarded";

export function vhostKey(path: string): string {
  return VHOSTS + encodeKeySegment(path);
}

/** Prefix of a vhost's entries of one kind. */
export function recordPrefix(kind: typeof KEYS | typeof CHANNELS | typeof USES, path: string): string {
  return `${kind}${encodeKeySegment(path)}/`;
}

export function keyKey(path: string, id: string): string {
  return recordPrefix(KEYS, path) + id;
}

export function useKey(path: string, id: string): string {
  // The id is encoded, because that of a configured key is its name.
  return recordPrefix(USES, path) + encodeKeySegment(id);
}

export function channelKey(path: string, channel: string): string {
  return recordPrefix(CHANNELS, path) + encodeKeySegment(channel);
}

/** Splits a store key into vhost and name. */
export function readRecordKey(key: string): { readonly path: string; readonly name: string } {
  const [, path = "", name = ""] = key.split("/");
  return { path: decodeRecord(path), name };
}

export function decodeRecord(text: string): string {
  return Buffer.from(text, "base64url").toString("utf8");
}

/** @throws CarillonError internal: the entry is damaged or of an unknown version */
export function parseVhostRecord(key: string, value: string): VhostRecord {
  const record = parseObject(key, value);
  const { id, path, settings } = record;
  const isRecord = typeof id === "string" && path === readRecordKey(key).path && isObject(settings);
  if (!isRecord || !vhostPath.safeParse(path).success) throw unreadable(key);
  return record as unknown as VhostRecord;
}

/** @throws CarillonError internal: the entry is damaged or of an unknown version */
export function parseKeyRecord(key: string, value: string): KeyRecord {
  const record = parseObject(key, value);
  const { actions, created, hash, id, name, topics } = record;
  const isRecord =
    id === readRecordKey(key).name && typeof name === "string" && typeof created === "number" && isTexts(actions);
  if (!isRecord || !isTexts(topics) || typeof hash !== "string" || !HASH.test(hash)) throw unreadable(key);
  try {
    checkPatterns(topics);
  } catch (cause) {
    throw unreadable(key, CarillonError.from(cause).message);
  }
  return record as unknown as KeyRecord;
}

/** Creates the error for an unreadable entry. @param problem - reason, if known */
export function unreadable(key: string, problem?: string): CarillonError {
  return new CarillonError("internal", `unreadable store entry ${key}${problem === undefined ? "" : `: ${problem}`}`);
}

const HASH = /^[0-9a-f]{64}$/;

function parseObject(key: string, value: string): JsonObject {
  try {
    const parsed: unknown = JSON.parse(value);
    if (isObject(parsed)) return parsed as JsonObject;
  } catch {
    // Not JSON.
  }
  throw unreadable(key);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

export function encodeKeySegment(text: string): string {
  return Buffer.from(text).toString("base64url");
}
