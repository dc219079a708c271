import type { JsonObject as Struct } from "@bufbuild/protobuf";
import { type Duration, type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { JsonObject } from "../access/decide/principal.js";
import { CarillonError } from "../errors.js";
import { findJsonProblem } from "../util/find-json-problem.js";

/** Casts an immutable object to Protobuf's type, which is mutable. */
export function toStruct(object: JsonObject): Struct {
  return object as Struct;
}

/** Returns info in both of its forms. @param info - JSON text of an object */
export function infoFields(info: string): { readonly info: Struct; readonly infoJson: string } {
  return { info: JSON.parse(info) as Struct, infoJson: info };
}

/**
 * Reads the info in a message of a backend as JSON text; undefined if there is none.
 * @throws CarillonError invalid_argument: a Struct that JSON cannot represent, or both forms at once
 */
export function readInfoFields(
  message: { readonly info?: Struct | undefined; readonly infoJson: string } | undefined,
): string | undefined {
  const { info, infoJson = "" } = message ?? {};
  if (info === undefined) return infoJson === "" ? undefined : infoJson;
  const problem = infoJson === "" ? findJsonProblem(info) : "and info_json: at most one of the two is allowed";
  if (problem !== undefined) throw new CarillonError("invalid_argument", `info ${problem}`);
  return JSON.stringify(info);
}

/** @param time - in milliseconds since the epoch */
export function toTimestamp(time: number): Timestamp {
  return timestampFromMs(time);
}

/**
 * Converts the time in a request to milliseconds since the epoch.
 * @throws CarillonError invalid_argument: out of range
 */
export function toMilliseconds(field: string, timestamp: Timestamp | undefined): number | undefined {
  if (timestamp === undefined) return undefined;
  const { nanos, seconds } = timestamp;
  const valid = seconds >= MIN_SECONDS && seconds <= MAX_SECONDS && nanos >= 0 && nanos < 1_000_000_000;
  if (!valid) throw new CarillonError("invalid_argument", `${field} is not a time between the years 1 and 9999`);
  return Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000);
}

/**
 * Converts a duration to whole milliseconds.
 * @throws CarillonError invalid_argument: negative or out of range
 */
export function durationToMilliseconds(field: string, duration: Duration | undefined): number | undefined {
  if (duration === undefined) return undefined;
  const { nanos, seconds } = duration;
  const valid = seconds >= 0n && seconds <= MAX_DURATION && nanos >= 0 && nanos < 1_000_000_000;
  if (!valid) throw new CarillonError("invalid_argument", `${field} is not a valid duration`);
  return Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000);
}

/** Source: google/protobuf/timestamp.proto and duration.proto. */
const MIN_SECONDS = -62_135_596_800n;
const MAX_SECONDS = 253_402_300_799n;
const MAX_DURATION = 315_576_000_000n;
