import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from "nats";
import type { HistoryClass } from "../../../core/history.js";
import { toVhostToken } from "../../broker/subject.js";
import { toAnchorSubject, toClassSubject, toStreamName } from "./stream-names.js";

const NANOSECONDS = 1_000_000;

/** The settings of a class's stream that this software sets. Others belong to the operator. */
export type ClassStreamConfig = Pick<
  StreamConfig,
  | "name"
  | "subjects"
  | "retention"
  | "storage"
  | "num_replicas"
  | "max_msgs_per_subject"
  | "max_age"
  | "max_bytes"
  | "duplicate_window"
  | "allow_direct"
  | "discard"
> & { readonly republish: { readonly src: string; readonly dest: string } };

/** Returns the subjects of a class's stream. */
function toSubjects(prefix: string, className: string, vhost: string): string[] {
  return [toClassSubject(prefix, className, vhost), toAnchorSubject(prefix, className, vhost, "*")];
}

/** Whether a stream has the subjects of a class, and no others. */
export function hasClassSubjects(actual: StreamConfig, prefix: string, className: string, vhost: string): boolean {
  return hasExactly(actual.subjects, toSubjects(prefix, className, vhost));
}

/** Creates the settings of a class's stream. */
export function createStreamConfig(prefix: string, vhost: string, history: HistoryClass): ClassStreamConfig {
  const subject = toClassSubject(prefix, history.name, vhost);
  return {
    name: toStreamName(prefix, history.name, vhost),
    subjects: toSubjects(prefix, history.name, vhost),
    retention: RetentionPolicy.Limits,
    storage: history.storage === "file" ? StorageType.File : StorageType.Memory,
    num_replicas: history.replicas,
    // A limit without an age would leave deletions within the stream that the server keeps track of one by one.
    max_msgs_per_subject: history.messages,
    max_age: history.age * NANOSECONDS,
    max_bytes: history.bytes,
    duplicate_window: Math.min(history.deduplication, history.age) * NANOSECONDS,
    allow_direct: true,
    discard: DiscardPolicy.Old,
    republish: { src: subject, dest: `${prefix}.${toVhostToken(vhost)}.>` },
  };
}

/**
 * Whether a stream is the one of a class: it has its name, its subjects and no others, and republishes and retains messages
 * like it. Nothing else may be changed or deleted.
 */
export function isOwnStream(actual: StreamConfig, wanted: ClassStreamConfig): boolean {
  const { dest, src } = actual.republish ?? { src: "", dest: "" };
  return (
    actual.name === wanted.name &&
    hasExactly(actual.subjects, wanted.subjects) &&
    src === wanted.republish.src &&
    dest === wanted.republish.dest &&
    actual.retention === wanted.retention
  );
}

/** Whether a stream lacks some of the wanted settings that can be changed. */
export function needsUpdate(actual: StreamConfig, wanted: ClassStreamConfig): boolean {
  const keys = [
    "num_replicas",
    "max_msgs_per_subject",
    "max_age",
    "max_bytes",
    "duplicate_window",
    "allow_direct",
    "discard",
  ] as const;
  return keys.some((key) => actual[key] !== wanted[key]);
}

/** @param actual - undefined for a mirror */
function hasExactly(actual: readonly string[] | undefined, wanted: readonly string[]): boolean {
  return actual?.length === wanted.length && wanted.every((subject) => actual.includes(subject));
}
