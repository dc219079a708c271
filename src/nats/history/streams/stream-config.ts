import { DiscardPolicy, RetentionPolicy, StorageType, type StreamConfig } from "nats";
import type { HistoryClass } from "../../../core/history.js";
import { toVhostToken } from "../../broker/subject.js";
import { toAnchorSubject, toClassSubject } from "./stream-names.js";

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

/**
 * Creates the settings of a class's stream.
 * @param name - of the stream
 */
export function createStreamConfig(
  prefix: string,
  vhost: string,
  history: HistoryClass,
  name: string,
): ClassStreamConfig {
  const subject = toClassSubject(prefix, history.name, vhost);
  return {
    name,
    subjects: [subject, toAnchorSubject(prefix, history.name, vhost, "*")],
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

/** Change that gives a stream the wanted settings. */
export type ConfigChange = "none" | "update" | "replace";

/** Compares the settings of a stream with the wanted ones. Storage and republishing cannot be changed. */
export function compareConfig(actual: StreamConfig, wanted: ClassStreamConfig): ConfigChange {
  const { dest, src } = actual.republish ?? { src: "", dest: "" };
  const isSame = src === wanted.republish.src && dest === wanted.republish.dest;
  if (!isSame || actual.storage !== wanted.storage || actual.retention !== wanted.retention) return "replace";
  const keys = [
    "num_replicas",
    "max_msgs_per_subject",
    "max_age",
    "max_bytes",
    "duplicate_window",
    "allow_direct",
    "discard",
  ] as const;
  if (keys.some((key) => actual[key] !== wanted[key])) return "update";
  return wanted.subjects.every((subject) => actual.subjects.includes(subject)) ? "none" : "update";
}
