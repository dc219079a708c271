import type { Message } from "./message.js";

/**
 * Interfaces for stored messages. A broker driver implements them; test/contract/history.ts has the suite that every driver
 * passes. Source of the promises: docs/protocol/history.md (rules H1 to H10).
 */

/** How many messages of a topic are kept, and for how long. Topic rules choose a class by its name. */
export interface HistoryClass {
  /** Unique in the vhost. Letters, digits, `_` and `-`. */
  readonly name: string;
  /** Maximum number of messages kept of one topic. At least 1. */
  readonly messages: number;
  /** How long a message is kept, in milliseconds. */
  readonly age: number;
  /** Maximum number of bytes of all topics of the class. The oldest messages are removed first. */
  readonly bytes: number;
  /**
   * Maximum number of bytes of one topic: a larger message is refused, and older messages are removed. NATS only refuses larger
   * messages. Undefined: only `bytes` applies.
   */
  readonly topicBytes: number | undefined;
  /** Whether the messages survive a restart of the servers that store them. The memory broker ignores it. */
  readonly storage: "file" | "memory";
  /** Number of servers that store each message. The memory broker ignores it. */
  readonly replicas: number;
  /** How long a repeated message id is recognized as a duplicate, in milliseconds. At most `age`. */
  readonly deduplication: number;
}

/** A topic whose messages are stored. */
export interface StoredTopic {
  readonly vhost: string;
  readonly topic: string;
  readonly history: HistoryClass;
}

/**
 * A message that a store keeps.
 *
 * Its position is opaque text of at most 64 characters. It identifies the message in its log: the store accepts it only while
 * the message is stored and is still the same.
 */
export interface StoredMessage extends Message {
  readonly position: string;
}

/** Result of storing one message. */
export interface StoredReceipt {
  /** Position of the stored message; of the first one for a duplicate, or "" if that one has been removed. */
  readonly position: string;
  /** Whether a message with this id was stored before, so that nothing was published now (rule H5). */
  readonly duplicate: boolean;
}

/**
 * Why messages cannot be recovered (rule H3). `expired`: some were removed, because of their age, number or size, or by a
 * purge. `unknown_position`: the position belongs to another log, or was never given out. `too_many`: more than the limit.
 * `unavailable`: the store did not answer in time.
 */
export type RecoveryFailure = "expired" | "unknown_position" | "too_many" | "unavailable";

/** Which stored messages a client gets before the live ones. */
export type ReplayStart =
  /** All messages after a position. All or none: recovery. */
  | { readonly kind: "after"; readonly position: string }
  /** The newest messages, at most `limit`, and none older than `since` (milliseconds since the epoch): rewind. */
  | { readonly kind: "latest"; readonly limit: number; readonly since: number | undefined };

/** Bounds of one replay. A recovery beyond them fails with `too_many`; a rewind gets the newest messages within them. */
export interface ReplayLimits {
  readonly messages: number;
  /** Sum of the payloads' sizes. */
  readonly bytes: number;
}

/** Messages that a client gets before the live ones. */
export interface Replay {
  /** Oldest first. Empty where the replay failed. */
  readonly messages: readonly StoredMessage[];
  /** Position after these messages, from which the live messages continue. Undefined while the store does not answer. */
  readonly position: string | undefined;
  /** Undefined if the replay is complete. */
  readonly failure: RecoveryFailure | undefined;
}

/** A replay whose stored part has been read. */
export interface PreparedReplay {
  /** Number of messages that have been read, and the sum of their payloads. `take` may add a few. */
  readonly count: number;
  readonly bytes: number;
  /**
   * Completes the replay with the messages that have been delivered meanwhile. The caller begins the membership in the same
   * turn, so that the live messages continue where the replay ends (rule H2).
   */
  take(): Replay;
}

/** Stored messages of a subscribed topic. The driver delivers them in the order of the store (rule H4), each once. */
export interface TopicLog {
  /** Position after the newest delivered message, also of a topic without messages. Undefined while the store does not answer. */
  readonly position: string | undefined;
  /**
   * Waits, within a limit, until everything that was stored before has been delivered. Undefined if it has been. A membership
   * that begins afterwards receives nothing that was stored before (rule O3). Never rejects.
   */
  settle(): Promise<void> | undefined;
  /** Reads what a replay needs from the store. Concurrent equal reads are shared. Never rejects; failures are in the replay. */
  prepare(start: ReplayStart, limits: ReplayLimits): Promise<PreparedReplay>;
}

/** Which page of the stored messages is read. */
export interface HistoryQuery {
  /** Bound of the page: messages after or before a position, or not older or newer than a time in milliseconds since the epoch. */
  readonly after?: string | undefined;
  readonly before?: string | undefined;
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** Maximum number of messages of the page. */
  readonly limit: number;
  /** Maximum number of bytes of their payloads. A page has at least one message, if there is one within the bounds. */
  readonly bytes: number;
  /** `oldest`: the first messages within the bounds. `newest`: the last ones. Either way the page lists the oldest first. */
  readonly from: "oldest" | "newest";
}

/** Stored messages in the answer to one read. */
export interface HistoryPage {
  /** Oldest first. */
  readonly messages: readonly StoredMessage[];
  /** Whether there are further messages within the bounds. */
  readonly more: boolean;
  /** Current position of the topic, also of one without messages. */
  readonly position: string;
}

/** Counters of a broker's history since the node's start, for the metrics. */
export interface HistoryStoreCounts {
  /** Messages that were stored, counted per topic. */
  readonly stored: number;
  /** Publishes that repeated the id of a stored message (rule H5). */
  readonly duplicates: number;
  /** Publishes that the store refused or did not acknowledge in time. */
  readonly failed: number;
  /** Sum of the times from a publish to its acknowledgement, in milliseconds, of stored messages. */
  readonly storedMilliseconds: number;
  /** Gaps in the live messages, and messages that were read to fill them. */
  readonly gaps: number;
  readonly gapMessages: number;
  /** Live messages that arrived again and were dropped. */
  readonly repeated: number;
  /** Logs that began anew because the store had lost messages. */
  readonly resets: number;
  /** Replays by source: the recent messages in this node's memory, or the store. */
  readonly replays: Readonly<Record<"ring" | "store", number>>;
  /** Requests to the store by kind. */
  readonly reads: Readonly<Record<string, number>>;
  /** Sum of the times of these requests, in milliseconds. */
  readonly readMilliseconds: number;
  /** Messages in this node's memory now, and their bytes with metadata. */
  readonly held: { readonly messages: number; readonly bytes: number };
}

/** Reads and removes the stored messages of a broker. */
export interface HistoryStore {
  readonly counts: HistoryStoreCounts;
  /**
   * @throws CarillonError unavailable: the store did not answer in time
   * @throws CarillonError failed_precondition: a position that has expired or is unknown; its text begins with the
   *   RecoveryFailure and a colon
   */
  read(topic: StoredTopic, query: HistoryQuery): Promise<HistoryPage>;
  /**
   * Removes all messages of a topic. Clients with an older position learn that they cannot recover (`expired`).
   * @returns the number of removed messages
   * @throws CarillonError unavailable
   */
  purge(topic: StoredTopic): Promise<number>;
  /**
   * Prepares the storage of a vhost's classes, and reports what the store cannot do, such as a number of replicas.
   * Called at the start, after each reconnect, and when the settings change. Never rejects.
   * @returns faults for the operator; none where everything is ready
   */
  prepareClasses(vhost: string, classes: readonly HistoryClass[]): Promise<readonly string[]>;
  /**
   * Removes all messages of a vhost that does not exist any more. Messages of a new vhost of this name are stored afterwards.
   * @throws CarillonError unavailable: some may remain, and the call can be repeated
   */
  deleteVhost(vhost: string): Promise<void>;
}

/** Finds the history classes of a vhost's topics. */
export interface HistoryFinder {
  /** Returns the class of a topic's history; undefined for a topic without history. */
  readonly find: (topic: string) => HistoryClass | undefined;
  /** Returns the maximum steps of {@link find} (rule A15). A source that publishes many topics finds their classes ahead. */
  steps(topic: string): number;
}
